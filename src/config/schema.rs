//! The JSON Schema of `usher.toml` (draft 2020-12), for editors. Made from the list of known keys, so that nothing that
//! is taken is missing in it.

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Kind};
use crate::connectors::declared::AccountFields;
use crate::connectors::exec::{ActionProgram, Ask};
use crate::connectors::http::{ActionRequest, Listing, ReadAccount};
use crate::connectors::scim;
use crate::secret::{PasswordPolicy, SignClass};
use crate::workflow::Facet;

/// What each key is for. A test asks that none is missing.
const DESCRIPTIONS: &[(&str, &str)] = &[
    ("database", "The record: one SQLite file, or a PostgreSQL database that several daemons may share."),
    ("database.url", "`sqlite:PATH` or `postgres://USER@HOST/NAME`; default `usher.db` in the data directory."),
    ("database.password", "PostgreSQL's password, as a reference: { env = \"NAME\" } or { file = \"PATH\" }."),
    ("keys", "The master key, which seals what is personal in the record."),
    ("keys.file", "The key's file, made at first use; default `usher.key` beside the SQLite file."),
    ("keys.secret", "Reference to 64 hexadecimal digits, instead of a file."),
    ("time", "Local times and working days, where neither workflow nor person says otherwise."),
    ("time.zone", "IANA zone of times such as `last_day 18:00`; default the machine's."),
    ("time.holidays", "No business days, besides Saturdays and Sundays."),
    ("workflows", "Where your own workflows are."),
    ("workflows.folder", "Files here come to those built in; one of the same name takes its place."),
    ("serve", "The daemon."),
    ("serve.listen", "Address of the health routes; default `127.0.0.1:7627`."),
    ("serve.workers", "Steps at work at once, 1 to 1024; default 256."),
    ("serve.lease", "How soon the steps of a dead daemon go on, 5 to 35 seconds; default `30 s`."),
    ("people", "How HR's files are read."),
    ("people.columns", "How HR's file calls its columns: { \"HEADING\" = \"field\" }."),
    ("people.dates", "How dates with slashes are meant."),
    ("mail", "The mail room: how usher's own mails leave the house."),
    ("mail.transport", "How mails leave: to a server, or into files of a folder."),
    ("mail.host", "The mail server."),
    ("mail.port", "Its port."),
    ("mail.tls", "How the connection is secured."),
    ("mail.user", "The user to sign in as."),
    ("mail.password", "That user's password, as a reference."),
    ("mail.ca", "A certificate authority to trust besides the machine's."),
    ("mail.timeout", "How long the server may take to answer."),
    ("mail.folder", "The folder that mails are written into."),
    ("mail.from", "The sender of usher's mails."),
    ("mail.reply_to", "Where answers go."),
    ("mail.administrators", "Who receives alerts."),
    ("mail.language", "The language of mails to people who have none."),
    ("mail.templates", "Your own templates."),
    ("mail.remind", "How often those are reminded for whom something waits."),
    ("people.silent_after", "How long HR may say nothing before the administrators are told; default for ever."),
    ("alerts", "Where alerts go besides mail."),
    ("alerts.url", "Where messages are posted: `https://…`."),
    ("alerts.secret", "The secret that signs them, as a reference: `whsec_` and base64 of 24 to 64 bytes."),
    ("alerts.ca", "A certificate authority to trust besides the machine's."),
    ("alerts.timeout", "How long the receiver may take to answer, 1 to 60 seconds; default `15 s`."),
    ("people.key_from", "Which column the key of people without an employee number comes from."),
    ("people.match", "By which fields accounts find their person, in order."),
    ("systems.match", "By which fields accounts of this system find their person."),
    ("naming", "How sign-in names and addresses of new accounts are made."),
    ("naming.pattern", "What a name is made of, as `{given}.{family}`."),
    ("naming.domain", "The domain of new addresses."),
    ("naming.on_collision", "What happens when a name is taken."),
    ("naming.reserve", "How long a name that was in use stays reserved."),
    ("naming.reserved", "Names that nobody gets."),
    ("access", "Who may ask for what concerns everybody."),
    ("access.administrators", "Who may block and unblock products."),
    ("access.people", "Which person each user of this machine is: { alice = \"1001\" }."),
    ("protected", "Accounts that are never deleted, and whose access no run closes by itself."),
    ("protected.accounts", "By system and immutable id: `mailhost:m-0001`."),
    ("protected.logins", "By sign-in name or address, with `*` and `?`: `break-glass*`, `mailhost:root`."),
    ("passwords", "What the passwords are like that usher gives to accounts."),
    ("passwords.length", "How many signs, 12 to 128; default 24."),
    ("passwords.classes", "Of which classes, at least one sign of each; default lower, upper, digit."),
    ("systems.password_length", "How many signs new passwords have on this system, where that is not [passwords]."),
    ("systems.password_classes", "Of which classes they are there, where that is not [passwords]."),
    ("audit", "Checkpoints of the journal."),
    ("audit.checkpoint_file", "A file elsewhere that each checkpoint is also written to, at its end."),
    ("archive", "Where archives of mailboxes, files and calendars are kept."),
    ("archive.kind", "What kind of place it is; default `folder`."),
    ("archive.folder", "For a folder: which; default `archives` beside the database."),
    ("archive.url", "For `webdav`: the collection they go into; for `s3`: the server, where it is not Amazon's."),
    ("archive.user", "Who signs in; for `s3` the id of the access key."),
    ("archive.password", "That user's password, or the secret of the access key, as a reference."),
    ("archive.ca", "A certificate authority to trust besides the machine's."),
    ("archive.bucket", "For `s3`: the bucket they go into."),
    ("archive.region", "For `s3`: the bucket's region; default `us-east-1`."),
    (
        "archive.retain",
        "For `s3`: for how long nobody can take an archive away, `1 day` to `36500 days` (object lock).",
    ),
    ("archive.timeout", "How long one request may take, 1 to 600 seconds; default `60 s`."),
    ("retention", "How long what is over stays among the rest."),
    (
        "retention.finished_runs",
        "How long after its end a run's steps and journal go into the archive: `30 days` to `30 years`, or `for ever`; \
         default `2 years`.",
    ),
    ("departments", "What people of a department get."),
    ("departments.groups", "Their groups."),
    ("departments.role", "Their role."),
    ("departments.quota", "Their storage limit, as `5 GB`."),
    ("departments.licences", "Their licences, by system."),
    ("limits", "How much may happen on a system before a person looks."),
    ("limits.destructive_per_hour", "Deletions and purges on a system within an hour; default `5 or 1 %`."),
    ("limits.destructive_per_day", "Deletions and purges on a system within a day; default `10 or 2 %`."),
    ("limits.cuts_per_hour", "Accounts cut off by HR's word or by schedules within an hour; default `25 or 5 %`."),
    (
        "limits.inventory_age",
        "How old the last reading of a system may be before nothing is deleted there; default `48 h`.",
    ),
    ("policy", "What the law allows, for workflows that name no other policy."),
    ("policy.redirect", "Whether a leaver's mail may be sent on to somebody else; default `allowed`."),
    ("policy.auto_reply_max", "Longest auto-reply, as `90 days`; default without limit."),
    ("policies", "Policies that workflows name (`policy: belgium`)."),
    ("policies.redirect", "Whether a leaver's mail may be sent on to somebody else; default `allowed`."),
    ("policies.auto_reply_max", "Longest auto-reply, as `90 days`; default without limit."),
    ("calendars", "Calendars that workflows name (`calendar: geneva`)."),
    ("calendars.days", "No business days, besides the weekend."),
    ("calendars.weekend", "The days of the week on which nobody works; default Saturday and Sunday."),
    ("requests", "Places that steps of `http.request` may call, and nowhere else."),
    ("requests.url", "What may be called is below this one: `https://chat.example.org/hooks/`."),
    ("requests.networks", "Networks within the house that may be connected to; default none."),
    ("requests.ca", "A certificate authority to trust besides the machine's."),
    ("requests.timeout", "How long an answer may take, 1 to 60 seconds; default `6 s`."),
    ("requests.answer_limit", "The longest answer that is read, in bytes; default 1048576."),
    ("requests.headers", "Headers of every request, by name; `{{ secrets.NAME }}` is a secret."),
    ("requests.secrets", "The secrets that headers may use, by name, as references."),
    ("programs", "Programs that steps of `exec` may run, and no others."),
    ("programs.command", "The program by its absolute path, and arguments that come first."),
    ("programs.folder", "The working directory; default `/`."),
    ("programs.timeout", "How long it may take, 1 to 60 seconds; default `15 s`."),
    ("programs.answer_limit", "The longest answer that is read, in bytes; default 1048576."),
    ("programs.environment", "The variables of its environment; there are no others."),
    ("programs.secrets", "The secrets that it is given, by name, as references."),
    ("programs.secret_environment", "Variables of its environment that are secrets: { VARIABLE = \"NAME\" }."),
    ("systems", "The systems where people have accounts."),
    ("systems.kind", "What kind of system it is."),
    ("systems.sign_in", "What sign-in names of new accounts are made of there, where that is not [naming]."),
    ("systems.destructive_per_hour", "As in [limits], for this system."),
    ("systems.destructive_per_day", "As in [limits], for this system."),
    ("systems.cuts_per_hour", "As in [limits], for this system."),
    (
        "systems.at_once",
        "How many attempts may be under way there at once, over all daemons; default 16, in a sandbox without limit.",
    ),
    (
        "systems.rate",
        "How many attempts and pages of readings may start there within a time, over all daemons, as `120/min`; default without limit.",
    ),
    ("systems.own_account", "The account that usher itself has there, by sign-in name or id: it is protected."),
    ("systems.company", "For a sandbox: the file that describes the company."),
    ("systems.state", "For a sandbox: where what happens to it is written down."),
    ("systems.system", "For a sandbox: the system's name in the company; default its name here."),
    (
        "systems.url",
        "Where the system is: `ldaps://ldap.example.org`; for `http`, `scim` and `dav`, what every request is below; for `dovecot`, \
         doveadm's HTTP interface.",
    ),
    (
        "systems.networks",
        "For `http`, `scim` and `dav`: networks within the house that may be connected to; default none.",
    ),
    ("systems.timeout", "How long the system may take to answer, 1 to 60 seconds."),
    ("systems.answer_limit", "The longest answer that is read, in bytes; default 1048576."),
    ("systems.headers", "For `http`: headers of every request, by name; `{{ secrets.NAME }}` is a secret."),
    ("systems.secrets", "The secrets that the system is given, by name, as references."),
    ("systems.idempotency_header", "For `http`: the header that carries usher's key of a step, where one is known."),
    ("systems.offers", "What the system offers."),
    ("systems.accounts", "For `http`: the request that lists all accounts."),
    ("systems.account", "For `http`: the request that reads one account."),
    ("systems.fields", "For `http`: where the fields of an account stand in an answer, as JSON pointers."),
    ("systems.actions", "What the system does: a request, or what its program can, by action."),
    ("systems.manual", "What a person does there, by action, with the instruction."),
    ("systems.command", "For `exec`: the program by its absolute path, and its arguments."),
    ("systems.folder", "For `exec`: the working directory; default `/`."),
    ("systems.environment", "For `exec`: the variables of the environment; there are no others."),
    (
        "systems.secret_environment",
        "For `exec`: variables of the environment that are secrets: { VARIABLE = \"NAME\" }.",
    ),
    ("systems.answers", "For `exec`: what the program answers besides its actions."),
    ("systems.profile", "For a directory: which kind of server it is."),
    (
        "systems.tls",
        "How the connection is secured; default `tls` for `ldaps://` and `imaps://`, `starttls` for `ldap://`, `imap://`, `sieve://`.",
    ),
    ("systems.ca", "A certificate authority to trust besides the machine's."),
    (
        "systems.user",
        "Whom usher signs in as: for a directory a DN, or `NAME@DOMAIN` for Active Directory; for `dovecot` the master user.",
    ),
    ("systems.password", "That user's password, as a reference."),
    ("systems.base", "For a directory: what everything that usher looks at is below."),
    ("systems.people", "For a directory: what accounts are below, and new ones are made in; default `base`."),
    ("systems.groups", "For a directory: what groups are below; default `base`."),
    ("systems.deleted", "For a directory: where deleted accounts wait for their purge; default where they are."),
    ("systems.filter", "For a directory: which entries are accounts."),
    ("systems.login", "For a directory: the attribute that people sign in with."),
    (
        "systems.employee_number",
        "The attribute that holds the employee number; for `scim` `employeeNumber` or `externalId`.",
    ),
    ("systems.hidden", "For a directory: what hides an account from address lists, as `ATTRIBUTE=VALUE`."),
    ("systems.policy", "For a directory: the password policy of accounts that name none."),
    ("systems.administrators", "Who administers the system: for a directory a group, for `scim` a value of `roles`."),
    ("systems.placeholder", "For a directory: who takes the last member's place in a group that may not be empty."),
    (
        "systems.domain",
        "For Active Directory: the domain of new sign-in names, default that of `base`. For `dav`: accounts are called by what \
         comes before `@` in addresses of this domain, default by the whole address.",
    ),
    ("systems.calendars", "For `dav`: where a person's calendars are below `url`, as `calendars/{account}/`."),
    ("systems.contacts", "For `dav`: where a person's address books are below `url`, as `addressbooks/{account}/`."),
    ("systems.files", "For `dav`: where a person's files are below `url`, as `files/{account}/`."),
    ("systems.page", "How many accounts are read at once, 1 to 1000; default 500 for a directory, 200 for `scim`."),
    ("systems.token", "For `scim`: the bearer token, as a reference."),
    ("systems.dialect", "For `scim`: how changes are told; default as the provider announces."),
    ("systems.lacks", "For `scim`: what the provider does not have."),
    ("systems.api_key", "For `dovecot`: the key of doveadm's HTTP interface, as a reference."),
    ("systems.imap", "For `dovecot`: where IMAP is, `imaps://mail.example.org`."),
    ("systems.sieve", "For `dovecot`: where ManageSieve is, `sieve://mail.example.org`; default by doveadm."),
    ("systems.passwd_file", "For `dovecot`: the passwd-file that accounts are lines of, where they are."),
    (
        "systems.database",
        "For `dovecot`: the database that accounts are rows of a table of, `sqlite:PATH` or `postgres://USER@HOST/NAME`.",
    ),
    ("systems.database_password", "For `dovecot`: the password of the database's user, as a reference."),
    ("systems.table", "For `dovecot`: the table whose rows are accounts, `users` or `mail.users`."),
    (
        "systems.columns",
        "For `dovecot`: the columns of that table: `name` and `password`, and where there are such `active`, `quota`, `note`, \
         `local_part`, `domain`.",
    ),
    ("systems.deny_file", "For `dovecot`: the passwd-file of those who may not sign in."),
    ("systems.directory", "For `dovecot`: the system that people sign in by, where that is a directory."),
    ("systems.last_login", "For `dovecot`: the dictionary of last sign-ins, as `last_login_dict` names it there."),
];

/// The schema of the configuration.
pub fn schema() -> Value {
    let mut sections = Map::new();
    for (name, known) in keys::SECTIONS {
        sections.insert((*name).to_owned(), section(name, known));
    }
    for (name, known) in keys::NAMED {
        sections.insert((*name).to_owned(), several(name, &section(name, known)));
    }
    sections[keys::ALERTS]["propertyNames"] = json!({ "const": keys::WEBHOOK });
    let mut system = section(keys::SYSTEMS, &keys::system_keys(None));
    system["required"] = json!(["kind"]);
    sections.insert(keys::SYSTEMS.to_owned(), several(keys::SYSTEMS, &system));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "usher configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    })
}

/// `[NAME.…]`, each named by whoever writes it.
fn several(name: &str, each: &Value) -> Value {
    json!({ "type": "object", "description": description(name), "additionalProperties": each })
}

fn section(name: &str, known: &[Key]) -> Value {
    let keys = known.iter().map(|(key, kind)| ((*key).to_owned(), one(&format!("{name}.{key}"), *kind)));
    json!({
        "type": "object",
        "description": description(name),
        "additionalProperties": false,
        "properties": keys.collect::<Map<_, _>>(),
    })
}

fn one(path: &str, kind: Kind) -> Value {
    let mut schema = match kind {
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Database => json!({ "type": "string", "pattern": "^(?:sqlite:|postgres(?:ql)?://)" }),
        Kind::Number => json!({ "type": "integer" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Named => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Secret => {
            json!({ "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
            "properties": { "env": { "type": "string" }, "file": { "type": "string" }, "stored": { "type": "string" } } })
        }
        Kind::Secrets => json!({ "type": "object", "additionalProperties": one(path, Kind::Secret) }),
        Kind::Tree => json!({ "type": "object" }),
    };
    narrow(path, &mut schema);
    schema["description"] = json!(description(path));
    schema
}

/// Keys that take a number, or a number and a share.
const LIMITS: [&str; 3] = [".destructive_per_hour", ".destructive_per_day", ".cuts_per_hour"];

/// Keys that take a closed set, a range or a form.
fn narrow(path: &str, schema: &mut Value) {
    let day = json!({ "type": "string", "pattern": r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$" });
    match path {
        "policy.redirect" | "policies.redirect" => {
            schema["enum"] = json!(crate::run::RedirectRule::ALL.map(crate::run::RedirectRule::as_str));
        }
        "systems.offers" => schema["items"]["enum"] = json!(Facet::ALL.map(Facet::as_str)),
        "systems.answers" => schema["items"]["enum"] = json!(Ask::ALL.map(Ask::as_str)),
        "systems.accounts" => *schema = of::<Listing>(),
        "systems.account" => *schema = of::<ReadAccount>(),
        "systems.fields" => *schema = of::<AccountFields>(),
        "systems.actions" => {
            let each = json!({ "anyOf": [of::<ActionRequest>(), of::<ActionProgram>()] });
            schema["additionalProperties"] = each;
        }
        "archive.kind" => schema["enum"] = json!(crate::archive::Place::KINDS),
        "mail.transport" => schema["enum"] = json!(["smtp", "file"]),
        "people.dates" => schema["enum"] = json!(["day-first", "month-first"]),
        "systems.profile" => {
            let profiles = crate::connectors::ldap::Profile::ALL;
            schema["enum"] = json!(profiles.map(crate::connectors::ldap::Profile::as_str));
        }
        "systems.dialect" => schema["enum"] = json!(scim::Dialect::ALL.map(scim::Dialect::as_str)),
        "systems.lacks" => schema["items"]["enum"] = json!(scim::Lack::ALL.map(scim::Lack::as_str)),
        "systems.at_once" => schema["minimum"] = json!(1),
        "systems.rate" => schema["pattern"] = json!(r"^\s*[0-9]+\s*/\s*(?:s|min|h)\s*$"),
        "systems.page" => {
            schema["minimum"] = json!(1);
            schema["maximum"] = json!(1000);
        }
        "systems.kind" => {
            schema["enum"] = json!(keys::SYSTEM_KINDS.iter().map(|(kind, _)| kind).collect::<Vec<_>>());
        }
        _ if LIMITS.iter().any(|key| path.ends_with(key)) => {
            // Zero and blank are refused: a limit that allows nothing is a freeze.
            schema["pattern"] = json!(r"^\s*0*[1-9][0-9]*(?: or +[0-9]{1,3}(?:\.[0-9]{1,2})? *%)?\s*$");
        }
        "serve.workers" => {
            schema["minimum"] = json!(1);
            schema["maximum"] = json!(1024);
        }
        "passwords.length" | "systems.password_length" => {
            schema["minimum"] = json!(PasswordPolicy::LENGTHS.start());
            schema["maximum"] = json!(PasswordPolicy::LENGTHS.end());
        }
        "passwords.classes" | "systems.password_classes" => {
            schema["items"]["enum"] = json!(SignClass::ALL.map(SignClass::as_str));
        }
        "time.holidays" | "calendars.days" => schema["items"] = day,
        "calendars.weekend" => {
            let day = "^ *(?:[Mm]on|[Tt]ues|[Ww]ednes|[Tt]hurs|[Ff]ri|[Ss]atur|[Ss]un)day *$";
            schema["items"] = json!({ "type": "string", "pattern": day });
        }
        _ => {}
    }
}

/// The schema of what a connector's own types read, in one piece.
fn of<T: schemars::JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("title");
    }
    schema
}

fn description(path: &str) -> &'static str {
    DESCRIPTIONS.iter().find(|(known, _)| *known == path).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, EXAMPLE, Surroundings};

    fn mistakes(text: &str) -> Vec<String> {
        let document: Value = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        validator.iter_errors(&document).map(|error| error.to_string()).collect()
    }

    /// Whether usher itself finds a mistake of form in it.
    fn refused(text: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("usher.toml"), text).unwrap();
        let around = Surroundings { folder: folder.path().to_owned(), variables: Default::default(), root: false };
        !Config::inspect(&[], None, &around).1.is_empty()
    }

    #[test]
    fn the_example_is_right_as_it_stands_and_with_everything_it_shows() {
        assert_eq!(mistakes(EXAMPLE), [""; 0]);
        let shown: String = EXAMPLE
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| rest.starts_with('[') || (rest.contains(" = ") && !rest.contains(". ")))
                    .unwrap_or(line)
            })
            .filter(|line| {
                ["url = \"sqlite", "secret = { env = \"USHER_MASTER", "transport = \"file"]
                    .iter()
                    .all(|other| !line.starts_with(other))
            })
            .collect::<Vec<_>>()
            .join("\n");
        assert!(shown.contains("\nzone = "), "{shown}");
        assert_eq!(mistakes(&shown), [""; 0], "{shown}");
    }

    #[test]
    fn every_key_is_described_and_nothing_else() {
        let sections = keys::SECTIONS.iter().chain(keys::NAMED).map(|(name, known)| (*name, known.to_vec()));
        let mut known: Vec<String> = Vec::new();
        for (section, keys) in sections.chain([(keys::SYSTEMS, keys::system_keys(None))]) {
            known.push(section.to_owned());
            known.extend(keys.iter().map(|(key, _)| format!("{section}.{key}")));
        }
        for path in &known {
            assert!(!description(path).is_empty(), "`{path}` has no description in src/config/schema.rs");
        }
        for (path, _) in DESCRIPTIONS {
            assert!(known.iter().any(|known| known == path), "there is no key `{path}`");
        }
    }

    #[test]
    fn both_refuse_what_is_wrong_in_form() {
        for text in [
            "[tiem]\nzone = \"UTC\"",
            "[time]\nzon = \"UTC\"",
            "[time]\nzone = 7",
            "[time]\nholidays = [\"1.1.2027\"]",
            "[serve]\nworkers = \"many\"",
            "[serve]\nworkers = 0",
            "[database]\nurl = \"mysql://x\"",
            "[database]\nurl = \"postgres://x/y\"\npassword = \"s3cret\"",
            "[policy]\nredirect = \"never\"",
            "[policies.belgium]\nredirekt = \"allowed\"",
            "[calendars.geneva]\ndays = \"2027-01-01\"",
            "[calendars.geneva]\nweekend = [\"fryday\"]",
            "[people]\ndates = \"year-first\"",
            "[passwords]\nlength = 8",
            "[passwords]\nclasses = [\"capital\"]",
            "[systems.a]\nkind = \"sandbox\"\ncompany = \"x\"\npassword_length = 500",
            "[limits]\ndestructive_per_hour = \"0\"",
            "[limits]\ndestructive_per_day = \"\"",
            "[limits]\ncuts_per_hour = \"-5\"",
            "[limits]\ncuts_per_hour = 5",
            "[systems.a]\nkind = \"sandbox\"\ncompany = \"c\"\ndestructive_per_hour = \"1 %\"",
            "[retention]\nfinished_runs = 730",
            "[alerts.pager]\nurl = \"https://x/\"\nsecret = { env = \"X\" }",
            "[alerts.webhook]\nurl = \"https://x/\"\nsecret = \"whsec_x\"",
            "[archive]\nkind = \"s4\"",
            "[systems.a]\nkind = \"ldpa\"",
            "[systems.a]\ncompany = \"x\"",
        ] {
            assert!(refused(text), "usher takes this: {text}");
            assert!(!mistakes(text).is_empty(), "the schema takes this: {text}");
        }
    }
}
