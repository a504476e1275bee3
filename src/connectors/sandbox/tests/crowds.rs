//! The shipped company and its people, and companies of any size.

use std::collections::BTreeMap;

use super::super::Crowd;
use super::*;

#[tokio::test]
async fn everybody_of_the_shipped_company_is_known_to_hr_and_has_five_accounts() {
    let stage = Stage::new();
    let mut reader = csv::Reader::from_reader(shipped::PEOPLE.as_bytes());
    let people: Vec<BTreeMap<String, String>> = reader.deserialize().collect::<Result<_, _>>().expect("a table");
    assert_eq!(people.len(), 25);
    for name in ["directory", "mailhost", "files", "groupware", "badges"] {
        let (accounts, next) = stage.system(name).accounts(None).await.expect("lists");
        assert_eq!((accounts.len(), next), (25, None), "{name}");
        for (account, person) in accounts.iter().zip(&people) {
            assert_eq!(account.attributes["employee_number"], json!(person["employee_number"]), "{name}");
            assert_eq!(account.attributes["email"], json!(person["email"]), "{name}");
            assert_eq!(account.attributes["display_name"], json!(person["display_name"]), "{name}");
        }
    }
    for person in &people {
        assert!(
            person["manager"].is_empty() || people.iter().any(|other| other["employee_number"] == person["manager"])
        );
        assert!(person["status"].is_empty() || crate::run::PersonStatus::from_name(&person["status"]).is_some());
        jiff::tz::TimeZone::get(&person["timezone"]).expect("a zone");
    }
    let leaving: Vec<&str> =
        people.iter().map(|person| person["last_day"].as_str()).filter(|day| !day.is_empty()).collect();
    assert_eq!(leaving, ["2027-01-29", "2027-02-26", "2027-01-15"]);
}

#[tokio::test]
async fn the_difference_tells_what_a_departure_changed() {
    let stage = Stage::new();
    let before = stage.company.snapshot().expect("looks");
    stage.perform(&Scene::of(ActionKind::AccountDisable).expect("a scene"), 1).await.expect("disables");
    stage.perform(&Scene::of(ActionKind::MailTransfer).expect("a scene"), 1).await.expect("copies");
    let changes = stage.company.snapshot().expect("looks").changes_since(&before);
    let told: Vec<String> = changes
        .iter()
        .map(|change| format!("{} {} {}", change.system, change.account.as_deref().unwrap_or("-"), change.field))
        .collect();
    assert!(told.contains(&"directory u-0005 status".to_owned()), "{told:?}");
    assert!(told.contains(&"mailhost m-0004 mailbox.folders.From Ada Keller.mails".to_owned()), "{told:?}");
    assert!(changes.iter().any(|change| (&change.before, &change.after) == (&json!("enabled"), &json!("disabled"))));
}

#[tokio::test]
async fn a_crowd_is_a_company_of_any_size_and_is_listed_page_by_page() {
    let crowd = Crowd::leaving(1200, jiff::civil::date(2027, 1, 29));
    let folder = tempfile::tempdir().expect("a folder");
    let company = SandboxCompany::from_text(&crowd.company, &folder.path().join("ledger.jsonl")).expect("opens");
    let mail = company.system("mailhost").expect("a system");
    let (mut sizes, mut from, mut ids) = (Vec::new(), None, std::collections::BTreeSet::new());
    loop {
        let (page, next) = mail.accounts(from).await.expect("lists");
        sizes.push(page.len());
        ids.extend(page.into_iter().map(|account| account.external_id));
        from = next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!((sizes.as_slice(), ids.len()), ([500, 500, 201].as_slice(), 1201));

    let rows = csv::Reader::from_reader(crowd.people.as_bytes()).into_records().collect::<Result<Vec<_>, _>>();
    assert_eq!(rows.expect("a table").len(), 1201);
}

#[tokio::test]
async fn of_a_purged_account_the_difference_says_only_that_it_is_gone() {
    let stage = Stage::new();
    let before = stage.company.snapshot().expect("looks");
    let purge = Scene::of(ActionKind::AccountPurge).expect("a scene");
    stage.prepare(&purge).await;
    stage.perform(&purge, 1).await.expect("purges");
    let changes = stage.company.snapshot().expect("looks").changes_since(&before);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((changes[0].field.as_str(), &changes[0].after), ("account", &json!(null)));
}
