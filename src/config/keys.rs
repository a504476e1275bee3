//! Every key the configuration knows, and what kind of value it takes. Files and environment are checked against
//! this list before anything is read from them; a test holds it against the settings themselves.

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A file or folder; relative to the file that names it.
    Path,
    /// `sqlite:PATH` (the path as above) or `postgres://…`.
    Database,
    /// A whole number.
    Number,
    /// A list of texts.
    Texts,
    /// Texts by name, whatever the names are.
    Named,
    /// A reference to a secret.
    Secret,
    /// References to secrets by name, whatever the names are.
    Secrets,
    /// A declaration that the connector's own types read.
    Tree,
}

impl Kind {
    /// How a message calls it.
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Text => "text in quotes",
            Self::Path => "a path in quotes",
            Self::Database => "an address in quotes, \"sqlite:PATH\" or \"postgres://…\"",
            Self::Number => "a whole number",
            Self::Texts => "a list of texts, [\"…\", \"…\"]",
            Self::Named => "a table of texts, { \"NAME\" = \"…\" }",
            Self::Secret => "a reference to a secret",
            Self::Secrets => "a table of references to secrets, { NAME = { env = \"…\" } }",
            Self::Tree => "a table",
        }
    }
}

/// One key of a section.
pub(super) type Key = (&'static str, Kind);

/// The sections and their keys.
pub(super) const SECTIONS: &[(&str, &[Key])] = &[
    ("database", &[("url", Kind::Database), ("password", Kind::Secret)]),
    ("keys", &[("file", Kind::Path), ("secret", Kind::Secret)]),
    ("time", &[("zone", Kind::Text), ("holidays", Kind::Texts)]),
    ("workflows", &[("folder", Kind::Path)]),
    ("serve", &[("listen", Kind::Text), ("workers", Kind::Number), ("lease", Kind::Text)]),
    ("policy", POLICY),
    (
        "limits",
        &[
            ("destructive_per_hour", Kind::Text),
            ("destructive_per_day", Kind::Text),
            ("cuts_per_hour", Kind::Text),
            ("inventory_age", Kind::Text),
        ],
    ),
    (
        "mail",
        &[
            ("transport", Kind::Text),
            ("host", Kind::Text),
            ("port", Kind::Number),
            ("tls", Kind::Text),
            ("user", Kind::Text),
            ("password", Kind::Secret),
            ("ca", Kind::Path),
            ("timeout", Kind::Text),
            ("folder", Kind::Path),
            ("from", Kind::Text),
            ("reply_to", Kind::Text),
            ("administrators", Kind::Texts),
            ("language", Kind::Text),
            ("templates", Kind::Path),
            ("remind", Kind::Text),
        ],
    ),
    (
        "people",
        &[
            ("columns", Kind::Named),
            ("dates", Kind::Text),
            ("key_from", Kind::Text),
            ("match", Kind::Texts),
            ("silent_after", Kind::Text),
        ],
    ),
    (
        "naming",
        &[
            ("pattern", Kind::Text),
            ("domain", Kind::Text),
            ("on_collision", Kind::Text),
            ("reserve", Kind::Text),
            ("reserved", Kind::Texts),
        ],
    ),
    ("access", &[("administrators", Kind::Texts), ("people", Kind::Named)]),
    ("protected", &[("accounts", Kind::Texts), ("logins", Kind::Texts)]),
    ("audit", &[("checkpoint_file", Kind::Path)]),
    (
        "archive",
        &[
            ("kind", Kind::Text),
            ("folder", Kind::Path),
            ("url", Kind::Text),
            ("user", Kind::Text),
            ("password", Kind::Secret),
            ("ca", Kind::Path),
            ("bucket", Kind::Text),
            ("region", Kind::Text),
            ("retain", Kind::Text),
            ("timeout", Kind::Text),
        ],
    ),
    ("retention", &[("finished_runs", Kind::Text)]),
    ("passwords", &[("length", Kind::Number), ("classes", Kind::Texts)]),
];

const POLICY: &[Key] = &[("redirect", Kind::Text), ("auto_reply_max", Kind::Text)];

/// The section of what alerts go to besides mail.
pub(super) const ALERTS: &str = "alerts";

/// What there may be in it.
pub(super) const WEBHOOK: &str = "webhook";

/// The section whose tables are places that `http.request` may call.
pub(super) const REQUESTS: &str = "requests";

/// The section whose tables are programs that `exec` may run.
pub(super) const PROGRAMS: &str = "programs";

/// The section whose tables are the company's departments.
pub(super) const DEPARTMENTS: &str = "departments";

/// The sections of which there are several, each named by whoever writes it: `[calendars.geneva]`.
pub(super) const NAMED: &[(&str, &[Key])] = &[
    ("calendars", &[("days", Kind::Texts), ("weekend", Kind::Texts)]),
    ("policies", POLICY),
    (ALERTS, &[("url", Kind::Text), ("secret", Kind::Secret), ("ca", Kind::Path), ("timeout", Kind::Text)]),
    (
        REQUESTS,
        &[
            ("url", Kind::Text),
            ("networks", Kind::Texts),
            ("ca", Kind::Path),
            ("timeout", Kind::Text),
            ("answer_limit", Kind::Number),
            ("headers", Kind::Named),
            ("secrets", Kind::Secrets),
        ],
    ),
    (
        PROGRAMS,
        &[
            ("command", Kind::Texts),
            ("folder", Kind::Path),
            ("timeout", Kind::Text),
            ("answer_limit", Kind::Number),
            ("environment", Kind::Named),
            ("secrets", Kind::Secrets),
            ("secret_environment", Kind::Named),
        ],
    ),
    (DEPARTMENTS, &[("groups", Kind::Texts), ("role", Kind::Text), ("quota", Kind::Text), ("licences", Kind::Named)]),
];

/// The section whose tables are named by whoever writes them.
pub(super) const SYSTEMS: &str = "systems";

/// What every system takes, whatever its kind.
pub(super) const EVERY_SYSTEM: &[Key] = &[
    ("kind", Kind::Text),
    ("match", Kind::Texts),
    ("sign_in", Kind::Text),
    ("own_account", Kind::Text),
    ("password_length", Kind::Number),
    ("password_classes", Kind::Texts),
    ("destructive_per_hour", Kind::Text),
    ("destructive_per_day", Kind::Text),
    ("cuts_per_hour", Kind::Text),
    ("at_once", Kind::Number),
    ("rate", Kind::Text),
];

/// The kinds of system and what each takes besides. A key that several kinds take takes the same of each.
pub(super) const SYSTEM_KINDS: &[(&str, &[Key])] = &[
    ("sandbox", &[("company", Kind::Path), ("state", Kind::Path), ("system", Kind::Text)]),
    (
        "http",
        &[
            ("url", Kind::Text),
            ("networks", Kind::Texts),
            ("ca", Kind::Path),
            ("timeout", Kind::Text),
            ("answer_limit", Kind::Number),
            ("headers", Kind::Named),
            ("secrets", Kind::Secrets),
            ("idempotency_header", Kind::Text),
            ("offers", Kind::Texts),
            ("accounts", Kind::Tree),
            ("account", Kind::Tree),
            ("fields", Kind::Tree),
            ("actions", Kind::Tree),
            ("manual", Kind::Named),
        ],
    ),
    (
        "exec",
        &[
            ("command", Kind::Texts),
            ("folder", Kind::Path),
            ("timeout", Kind::Text),
            ("answer_limit", Kind::Number),
            ("environment", Kind::Named),
            ("secrets", Kind::Secrets),
            ("secret_environment", Kind::Named),
            ("offers", Kind::Texts),
            ("answers", Kind::Texts),
            ("actions", Kind::Tree),
            ("manual", Kind::Named),
        ],
    ),
    (
        "ldap",
        &[
            ("profile", Kind::Text),
            ("url", Kind::Text),
            ("tls", Kind::Text),
            ("ca", Kind::Path),
            ("user", Kind::Text),
            ("password", Kind::Secret),
            ("base", Kind::Text),
            ("people", Kind::Text),
            ("groups", Kind::Text),
            ("deleted", Kind::Text),
            ("filter", Kind::Text),
            ("login", Kind::Text),
            ("employee_number", Kind::Text),
            ("hidden", Kind::Text),
            ("policy", Kind::Text),
            ("administrators", Kind::Text),
            ("placeholder", Kind::Text),
            ("domain", Kind::Text),
            ("page", Kind::Number),
            ("timeout", Kind::Text),
        ],
    ),
    (
        "dav",
        &[
            ("url", Kind::Text),
            ("networks", Kind::Texts),
            ("ca", Kind::Path),
            ("timeout", Kind::Text),
            ("user", Kind::Text),
            ("password", Kind::Secret),
            ("domain", Kind::Text),
            ("calendars", Kind::Text),
            ("contacts", Kind::Text),
            ("files", Kind::Text),
        ],
    ),
    (
        "scim",
        &[
            ("url", Kind::Text),
            ("networks", Kind::Texts),
            ("ca", Kind::Path),
            ("token", Kind::Secret),
            ("user", Kind::Text),
            ("password", Kind::Secret),
            ("dialect", Kind::Text),
            ("employee_number", Kind::Text),
            ("lacks", Kind::Texts),
            ("administrators", Kind::Text),
            ("page", Kind::Number),
            ("timeout", Kind::Text),
            ("answer_limit", Kind::Number),
        ],
    ),
    (
        "dovecot",
        &[
            ("url", Kind::Text),
            ("api_key", Kind::Secret),
            ("tls", Kind::Text),
            ("ca", Kind::Path),
            ("imap", Kind::Text),
            ("sieve", Kind::Text),
            ("user", Kind::Text),
            ("password", Kind::Secret),
            ("passwd_file", Kind::Path),
            ("database", Kind::Database),
            ("database_password", Kind::Secret),
            ("table", Kind::Text),
            ("columns", Kind::Named),
            ("deny_file", Kind::Path),
            ("directory", Kind::Text),
            ("last_login", Kind::Text),
            ("timeout", Kind::Text),
        ],
    ),
];

/// The keys of a system of `kind`; without a known kind, those of all kinds.
pub(super) fn system_keys(kind: Option<&str>) -> Vec<Key> {
    let mut keys: Vec<Key> = EVERY_SYSTEM.to_vec();
    let known = kind.is_some_and(|kind| SYSTEM_KINDS.iter().any(|(name, _)| *name == kind));
    for (name, own) in SYSTEM_KINDS {
        if !known || kind == Some(name) {
            keys.extend(own.iter().filter(|(key, _)| EVERY_SYSTEM.iter().all(|(every, _)| every != key)));
        }
    }
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys.dedup_by_key(|(key, _)| *key);
    keys
}

/// The keys of the section called `name`.
pub(super) fn section_keys(name: &str) -> Option<&'static [Key]> {
    SECTIONS.iter().find(|(section, _)| *section == name).map(|(_, keys)| *keys)
}

/// The keys of each section that is named `[name.…]`.
pub(super) fn named_keys(name: &str) -> Option<&'static [Key]> {
    NAMED.iter().find(|(section, _)| *section == name).map(|(_, keys)| *keys)
}

/// The names of all sections.
pub(super) fn section_names() -> Vec<&'static str> {
    SECTIONS.iter().chain(NAMED).map(|(name, _)| *name).chain([SYSTEMS]).collect()
}
