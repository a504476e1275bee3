//! Configurations, good and bad.

use std::path::Path;
use std::time::Duration;

use super::*;

struct Place {
    folder: tempfile::TempDir,
    around: Surroundings,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let variables = [("USHER_DATA_DIR".to_owned(), "data".to_owned())].into();
        let around = Surroundings { variables, folder: folder.path().to_owned(), root: false };
        Self { folder, around }
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.around.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&[], None, &self.around)
    }

    fn mistakes(&self) -> String {
        self.load().unwrap_err().to_string()
    }
}

/// What a file is read as, and what is wrong with it.
pub(super) fn judged(text: &str) -> (Config, Vec<String>) {
    let place = Place::new().file("usher.toml", text);
    let (config, problems) = Config::inspect(&[], None, &place.around);
    (config, problems.into_iter().map(|problem| problem.message).collect())
}

#[test]
fn no_configuration_at_all_works() {
    let place = Place::new();
    let config = place.load().unwrap();
    assert_eq!(config.database.place, DatabasePlace::Sqlite(place.path("data/usher.db")));
    assert_eq!(config.keys, KeySettings::File(place.path("data/usher.key")));
    assert_eq!(config.serve.listen.to_string(), "127.0.0.1:7627");
    assert_eq!((config.serve.workers, config.serve.lease), (256, Duration::from_secs(30)));
    assert!(config.systems.is_empty() && config.sources().is_empty());
}

#[test]
fn the_data_directory_follows_the_usual_places() {
    let mut around = Surroundings { root: true, ..Surroundings::default() };
    assert_eq!(around.data_dir(), Path::new("/var/lib/usher"));
    around.root = false;
    around.variables.insert("HOME".into(), "/home/ada".into());
    assert_eq!(around.data_dir(), Path::new("/home/ada/.local/share/usher"));
    around.variables.insert("XDG_DATA_HOME".into(), "/data".into());
    assert_eq!(around.data_dir(), Path::new("/data/usher"));
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let place = Place::new()
        .file("usher.toml", "[workflows]\nfolder = 'ignored'")
        .file(
            "etc/a.toml",
            "[database]\nurl = 'sqlite:my.db'\n[systems.files]\nkind = 'sandbox'\ncompany = '../c.toml'",
        )
        .file("etc/deep/b.toml", "[workflows]\nfolder = 'flows'\n[systems.files]\nstate = 'x.state'\nsystem = 'store'");
    let config = Config::load(&["etc/a.toml".into(), "etc/deep/b.toml".into()], None, &place.around).unwrap();
    assert_eq!(config.database.place, DatabasePlace::Sqlite(place.path("etc/my.db")));
    assert_eq!(config.keys, KeySettings::File(place.path("etc/usher.key")));
    assert_eq!(config.workflows.folder, Some(place.path("etc/deep/flows")));
    let SystemKind::Sandbox(sandbox) = &config.systems["files"].kind else { panic!("{:?}", config.systems) };
    assert_eq!(sandbox.company, place.path("etc/../c.toml"));
    assert_eq!(sandbox.state, place.path("etc/deep/x.state"));
    assert_eq!(sandbox.system, "store");
}

#[test]
fn later_sources_win() {
    let place = Place::new()
        .file("usher.toml", "[serve]\nworkers = 8\n[time]\nzone = 'UTC'\nholidays = ['2027-01-01']")
        .variable("USHER__SERVE__WORKERS", "16")
        .variable("USHER__TIME__HOLIDAYS", "2027-08-01,2027-12-25")
        .variable("USHER__DATABASE__URL", "postgres://usher:pw@db/usher");
    let config = place.load().unwrap();
    assert_eq!(config.serve.workers, 16);
    assert_eq!(config.time.holidays.len(), 2);
    assert_eq!(config.database.place.to_string(), "postgres://usher:***@db/usher");
    assert!(!format!("{config:?} {:?}", place.around).contains(":pw@"));
    assert_eq!(config.sources().len(), 4);
    let config = Config::load(&[], Some("sqlite:here.db"), &place.around).unwrap();
    assert_eq!(config.database.place, DatabasePlace::Sqlite(place.path("here.db")));
}

#[test]
fn every_mistake_is_named_with_its_place_and_the_way_out() {
    let place = Place::new().file(
        "usher.toml",
        "[database]\nulr = 'x'\n\n[server]\nlisten = 1\n\n[serve]\nworkers = 'many'\nlissten = 'x'\n\
         [systems.mail]\nkind = 'sandbox'\ncompanny = 'x'\n",
    );
    assert_eq!(
        place.mistakes(),
        "usher.toml:2: unknown key `ulr` in [database] (did you mean `url`?)\n\
         usher.toml:4: unknown section `server` (did you mean `serve`?)\n\
         usher.toml:8: `serve.workers`: a whole number is expected, not string\n\
         usher.toml:9: unknown key `lissten` in [serve] (did you mean `listen`?)\n\
         usher.toml:12: unknown key `companny` in [systems.mail] (did you mean `company`?)"
    );
}

#[test]
fn values_that_cannot_be_are_named() {
    let place = Place::new().file(
        "usher.toml",
        "[database]\nurl = 'mysql://x'\n[time]\nzone = 'Europe/Zurch'\nholidays = ['2027-02-30']\n[serve]\n\
         listen = 'localhost'\nworkers = 0\nlease = '2 hours'\n[systems.mail]\nkind = 'sandbocks'\n[systems.B]\n\
         [systems.c]\nkind = 'sandbox'\n[people]\ndates = 'backwards'\ncolumns = { X = 'nmae' }",
    );
    let mistakes = place.mistakes();
    for expected in [
        "usher.toml:2: `database.url`: `sqlite:PATH`",
        "usher.toml:4: `time.zone`: `Europe/Zurch` is no IANA time zone, as `Europe/Zurich` is one; did you mean `Europe/Zurich`?",
        "usher.toml:5: `time.holidays`: `2027-02-30` is no date",
        "usher.toml:7: `serve.listen`: `localhost` is no address",
        "usher.toml:8: `serve.workers`: 0 is not between 1 and 1024",
        "usher.toml:9: `serve.lease`: `2 hours` is not between",
        "usher.toml:11: `systems.mail.kind`: `sandbocks` is no kind of system; did you mean `sandbox`?",
        "usher.toml:12: `systems.B`: a system's name is lower-case",
        "usher.toml:13: `systems.c`: `company` is missing",
        "usher.toml:16: `people.dates`: `backwards` is unknown",
        "usher.toml:17: `people.columns`: `nmae` is no field",
    ] {
        assert!(mistakes.contains(expected), "{expected}\nis missing in\n{mistakes}");
    }
}

#[test]
fn secrets_are_references() {
    let literal = Place::new().file("usher.toml", "[keys]\nsecret = 'hunter2'");
    let message = literal.mistakes();
    assert!(message.starts_with("usher.toml:2: `keys.secret`: a secret is never written"), "{message}");
    assert!(!message.contains("hunter2"));
    let url = Place::new().file("usher.toml", "[database]\nurl = 'postgres://usher:hunter2@db/usher'").mistakes();
    assert!(url.contains("password = { env") && !url.contains("hunter2"), "{url}");
    let variable = Place::new().variable("USHER__KEYS__SECRET", "hunter2").mistakes();
    assert!(variable.contains("a secret is never written") && !variable.contains("hunter2"), "{variable}");
}

#[test]
fn a_later_reference_replaces_an_earlier_one() {
    let place = Place::new()
        .file("a.toml", "[keys]\nsecret = { env = 'KEY' }")
        .file("sub/b.toml", "[keys]\nsecret = { file = 'master' }");
    let config = Config::load(&["a.toml".into(), "sub/b.toml".into()], None, &place.around).unwrap();
    assert_eq!(config.keys, KeySettings::Secret(crate::secret::SecretRef::File(place.path("sub/master"))));
    let variable = Place::new().variable("USHER__KEYS__SECRET__ENV", "KEY").load().unwrap();
    assert_eq!(variable.keys, KeySettings::Secret(crate::secret::SecretRef::Env("KEY".into())));
}

#[test]
fn the_environment_is_checked_too() {
    let place = Place::new()
        .variable("USHER__SERVE__WORKRES", "1")
        .variable("USHER__SERVRE__WORKERS", "1")
        .variable("USHER__SERVE", "1");
    let mistakes = place.mistakes();
    assert!(mistakes.contains("USHER__SERVE__WORKRES: unknown key `workres` (did you mean `workers`?)"), "{mistakes}");
    assert!(mistakes.contains("unknown section `servre` (did you mean `serve`?)"), "{mistakes}");
    assert!(mistakes.contains("write USHER__SECTION__KEY"), "{mistakes}");
    let wrong_type = Place::new().variable("USHER__SERVE__WORKERS", "many").mistakes();
    assert!(wrong_type.contains("serve.workers"), "{wrong_type}");
}

#[test]
fn files_that_are_none_are_named() {
    let place = Place::new().file("usher.toml", "[serve\nx");
    assert!(place.mistakes().starts_with("usher.toml:1: this is not TOML"), "{}", place.mistakes());
    let missing = Config::load(&["nope.toml".into()], None, &place.around).unwrap_err().to_string();
    assert!(missing.contains("nope.toml: cannot be read"), "{missing}");
}

#[test]
fn a_key_without_its_section_is_sent_home() {
    let place = Place::new().file("usher.toml", "workers = 3");
    assert_eq!(place.mistakes(), "usher.toml:1: unknown key `workers` (`workers` belongs into [serve])");
}

#[test]
fn the_example_works_as_it_stands() {
    let place = Place::new().file("usher.toml", EXAMPLE);
    let config = place.load().unwrap();
    let names: Vec<&str> = config.systems.keys().map(String::as_str).collect();
    assert_eq!(names, ["badges", "directory", "files", "groupware", "mailhost"]);
}

#[test]
fn conventions_are_read_and_their_mistakes_named() {
    let text = "[naming]\npattern = '{f}.{last}'\ndomain = 'Example.com'\non_collision = 'refuse'\nreserve = '6 months'\n\
                reserved = ['Boss']\n[departments.\"R&D\"]\ngroups = ['lab']\nquota = '5 GB'\n\
                licences = { mail = 'standard' }\n[access]\nadministrators = ['helene']\n";
    let conventions = Place::new().file("usher.toml", text).load().unwrap().conventions;
    assert_eq!(conventions.naming.pattern.to_string(), "{f}.{last}");
    assert_eq!(conventions.naming.domain.as_deref(), Some("example.com"));
    assert_eq!(conventions.naming.on_collision, crate::run::naming::OnCollision::Refuse);
    assert!(conventions.naming.reserved.contains("boss"));
    assert_eq!(conventions.departments.managed(), ["lab"].into());
    assert_eq!(conventions.administrators, Some(["helene".to_owned()].into()));

    for (text, said) in [
        ("[naming]\npattern = '{frist}'", "`naming.pattern`: `{frist}` is no part of a name"),
        ("[naming]\nreserve = '0 days'", "`naming.reserve`: `0 days` has no length"),
        ("[naming]\nreserve = ''", "`naming.reserve`: `` is not a span"),
        ("[naming]\non_collision = 'ask'", "write `number` or `refuse`"),
        ("[naming]\ndomain = 'a b'", "`a b` is no domain"),
        ("[departments.Lab]\nquota = 'much'", "`departments.Lab.quota`: `much` is not a size"),
        ("[departments.Lab]\ngruops = []", "unknown key `gruops` in [departments.Lab]"),
        ("[systems.x]\nkind = 'sandbox'\ncompany = 'c'\nsign_in = 'all'", "`systems.x.sign_in`: `all` names nobody"),
    ] {
        let mistakes = Place::new().file("usher.toml", text).mistakes();
        assert!(mistakes.contains(said), "{text}: {mistakes}");
    }
    let variable = Place::new().variable("USHER__DEPARTMENTS__LAB__ROLE", "user").mistakes();
    assert!(variable.contains("departments are not set by the environment"), "{variable}");
}

/// The list of known keys and the settings that are read cannot drift apart.
#[test]
fn every_known_key_is_read() {
    let sections = keys::SECTIONS.iter().map(|(section, known)| ((*section).to_owned(), known.to_vec()));
    let system = ("systems.x".to_owned(), keys::system_keys(None));
    let named = keys::NAMED.iter().map(|(section, known)| (format!("{section}.x"), known.to_vec()));
    for (section, known) in sections.chain([system]).chain(named) {
        for (key, kind) in known {
            let value = match kind {
                keys::Kind::Secret => "{ env = 'X' }",
                keys::Kind::Number => "1",
                keys::Kind::Texts => "['x']",
                keys::Kind::Named | keys::Kind::Tree => "{ x = 'y' }",
                keys::Kind::Secrets => "{ x = { env = 'X' } }",
                keys::Kind::Text | keys::Kind::Path | keys::Kind::Database => "'x'",
            };
            let text = format!("[{section}]\n{key} = {value}");
            let raw: Result<raw::Raw, _> = toml::from_str(&text);
            assert!(raw.is_ok(), "{section}.{key}: {raw:?}");
        }
    }
}
