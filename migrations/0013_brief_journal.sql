-- Nothing of the tables changes, only what is written into them: the first entry of a run's journal also tells what becomes
-- of its steps at once, and leaves out of its plan what goes without saying (src/run/journal/); any entry may say several
-- things. Entries of older versions stay as they are and are read as ever. Versions before this one would not understand the new ones, and see by this
-- number that they must not try.
SELECT 1;
