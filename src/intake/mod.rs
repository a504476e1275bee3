//! THE FRONT DOOR. What comes from outside is read, judged whole, and turned into facts about people; nothing of a
//! source with a mistake gets in.

pub mod people;
