use super::*;

fn person(given: &str, family: &str, language: &str) -> Person {
    Person {
        employee_number: "1030".into(),
        given_name: given.into(),
        family_name: family.into(),
        language: Some(language.into()).filter(|language: &String| !language.is_empty()),
        ..Person::default()
    }
}

fn naming() -> Naming {
    Naming { domain: Some("example.com".into()), ..Naming::default() }
}

fn local(pattern: &str, given: &str, family: &str, language: &str) -> String {
    let naming = Naming { pattern: Pattern::parse(pattern).unwrap(), ..naming() };
    naming.address_of(&person(given, family, language)).map(|wanted| wanted.local).unwrap_or_else(|why| why.to_string())
}

#[test]
fn names_of_all_kinds_become_addresses() {
    let cases = [
        ("John", "Doe", "", "john.doe"),
        ("José", "Muñoz", "es", "jose.munoz"),
        ("Jose\u{301}", "Nu\u{308}n", "", "jose.nun"),
        ("Jürg", "Müller", "de-CH", "juerg.mueller"),
        ("Jürg", "Müller", "fr", "jurg.muller"),
        ("Zoë", "Größl", "sv", "zoe.grossl"),
        ("Jean-Luc", "O'Neil", "", "jean-luc.oneil"),
        ("Jean\u{2010}Luc", "D\u{2019}Arc", "fr", "jean-luc.darc"),
        ("Anna Maria", "van der Berg", "nl", "anna.vanderberg"),
        ("Мария", "Иванова", "ru", "mariia.ivanova"),
        ("小明", "王", "zh", "xiaoming.wang"),
        ("J. R.", "Łukasz-Żak", "pl", "j.lukasz-zak"),
        ("Søren", "Østergård", "da", "soren.ostergard"),
        ("", "Sukarno", "id", "sukarno"),
        ("Plato", "", "el", "plato"),
    ];
    for (given, family, language, expected) in cases {
        assert_eq!(local("{first}.{last}", given, family, language), expected, "{given} {family}");
    }
    assert_eq!(local("{f}.{last}", "John", "Doe", ""), "j.doe");
    assert_eq!(local("{given}{l}", "John", "Doe", ""), "johnd");
    assert_eq!(local("{first}", "", "Sukarno", ""), "sukarno");
    assert_eq!(local("{given}.{family}", "John", "Doe", ""), "john.doe");
}

#[test]
fn a_name_of_which_nothing_is_left_asks_for_an_address() {
    let why = naming().address_of(&person("💩", "…", "")).unwrap_err();
    assert_eq!(why, NamingError::Nameless("1030".into()));
    assert!(why.to_string().contains("give one"), "{why}");
    assert!(matches!(Naming::default().address_of(&person("A", "B", "")), Err(NamingError::NoDomain(_))));
}

#[test]
fn a_local_part_has_at_most_64_octets_with_its_number() {
    let wanted = naming().address_of(&person(&"a".repeat(80), "Doe", "")).unwrap();
    assert_eq!(wanted.local.len(), 64);
    let second = naming().choose(&wanted, |name| (!name.contains('2')).then(|| "somebody".into())).unwrap();
    let local = second.split('@').next().unwrap();
    assert!(local.len() == 64 && local.ends_with("a2"), "{second}");
    assert!(local.starts_with(wanted.stem()));
    let cut = naming().address_of(&person(&"a".repeat(63), "Doe", "")).unwrap();
    assert_eq!(cut.local, "a".repeat(63), "no dot at the end");
}

#[test]
fn a_taken_name_is_numbered_or_refused() {
    let wanted = naming().address_of(&person("John", "Doe", "")).unwrap();
    let taken =
        |name: &str| ["john.doe@example.com", "john.doe2@example.com"].contains(&name).then(|| "1001".to_owned());
    assert_eq!(naming().choose(&wanted, taken).unwrap(), "john.doe3@example.com");
    assert_eq!(naming().choose(&wanted, |_| None).unwrap(), "john.doe@example.com");
    let strict = Naming { on_collision: OnCollision::Refuse, ..naming() };
    let why = strict.choose(&wanted, taken).unwrap_err();
    assert_eq!(why, NamingError::Taken { name: "john.doe@example.com".into(), by: "1001".into() });
    assert!(naming().choose(&wanted, |_| Some("everybody".into())).is_err());
}

#[test]
fn nobody_is_called_postmaster() {
    let naming = Naming { pattern: Pattern::parse("{first}").unwrap(), reserved: ["boss".into()].into(), ..naming() };
    for name in ["Root", "Postmaster", "Abuse", "Boss"] {
        let wanted = naming.address_of(&person(name, "Doe", "")).unwrap();
        let chosen = naming.choose(&wanted, |_| None).unwrap();
        assert_eq!(chosen, format!("{}2@example.com", name.to_lowercase()));
    }
}

#[test]
fn an_address_that_was_given_is_taken_as_it_is() {
    let somebody = person("John", "Doe", "");
    assert_eq!(naming().given_address(" JD ", &somebody).unwrap(), "jd@example.com");
    assert_eq!(naming().given_address("jd@other.org", &somebody).unwrap(), "jd@other.org");
    for bad in ["j d", "j..d", "@x", "jd@", ""] {
        assert!(naming().given_address(bad, &somebody).is_err(), "{bad}");
    }
    let longest = "j".repeat(LONGEST_LOCAL_PART);
    assert_eq!(naming().given_address(&longest, &somebody).unwrap(), format!("{longest}@example.com"));
    let longer = format!("{longest}j");
    assert_eq!(naming().given_address(&longer, &somebody), Err(NamingError::Unusable(longer)));
}

#[test]
fn systems_may_have_sign_in_names_of_their_own() {
    let mut naming = naming();
    let own = SignIn { pattern: Pattern::parse("{f}{last}").unwrap(), domain: None };
    naming.sign_in.insert("erp".into(), own);
    let somebody = person("John", "Doe", "");
    assert_eq!(naming.sign_in_of("mail", None, &somebody).unwrap(), None);
    assert_eq!(naming.sign_in_of("erp", None, &somebody).unwrap().unwrap().plain(), "jdoe");
    let step = Pattern::parse("{last}").unwrap();
    assert_eq!(naming.sign_in_of("mail", Some(&step), &somebody).unwrap().unwrap().plain(), "doe");
}

#[test]
fn a_convention_is_read_or_refused_with_the_way_out() {
    assert_eq!(Pattern::parse(" {f}.{last} ").unwrap().to_string(), "{f}.{last}");
    let message = |written| Pattern::parse(written).unwrap_err().to_string();
    assert!(message("{frist}").contains("there are `{first}`"));
    assert!(message("{first").contains("brace"));
    assert!(message("first}").contains("brace"));
    assert!(message("{first} {last}").contains("` ` cannot stand"));
    assert!(message("everybody").contains("names nobody"));
}

#[test]
fn a_former_address_is_reserved_for_a_time() {
    let since: Timestamp = "2027-01-29T18:00:00Z".parse().unwrap();
    assert_eq!(naming().reserved_until(since).to_string(), "2029-01-29T18:00:00Z");
}

proptest::proptest! {
    #[test]
    fn whatever_people_are_called_their_address_is_valid(given in "\\PC{0,90}", family in "\\PC{0,90}", german in proptest::bool::ANY) {
        let somebody = person(&given, &family, if german { "de" } else { "" });
        for pattern in ["{first}.{last}", "{f}.{last}", "{first}", "{l}-{first}_x"] {
            let naming = Naming { pattern: Pattern::parse(pattern).unwrap(), ..naming() };
            let Ok(wanted) = naming.address_of(&somebody) else { continue };
            let plain = wanted.plain();
            let chosen = naming.choose(&wanted, |name| (name == plain).then(|| "somebody".to_owned())).unwrap();
            for address in [plain.clone(), chosen.clone()] {
                let (local, _) = address.split_once('@').unwrap();
                proptest::prop_assert!(is_dot_atom(local), "{}", address);
                proptest::prop_assert!(local.starts_with(wanted.stem()), "{}", address);
            }
            proptest::prop_assert_ne!(chosen, plain);
        }
    }
}
