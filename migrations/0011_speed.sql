-- An account is also looked for by its sign-in name.
CREATE INDEX accounts_called ON accounts (system, login);
