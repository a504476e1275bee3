//! Pure rules: the plan of the shipped departure, and the templates that parameters are filled from.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use serde_json::json;
use usher::engine::library::Library;
use usher::run::{
    Account, AccountStatus, Capability, Holidays, Person, PlanRequest, Policy, Subject, SystemView, plan,
};
use usher::workflow::{ActionKind, Facet, Scope, Template};

/// The shipped departure on three systems that can do everything.
pub(crate) fn planning(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let library = Library::shipped().workflows;
    let departure = library.get("departure").ok_or("the departure is shipped")?;
    let (subject, systems) = (ada(), systems());
    let inputs = BTreeMap::from([("last_day".to_owned(), json!("2027-01-29"))]);
    let request = PlanRequest {
        workflow: departure,
        subject: &subject,
        systems: &systems,
        inputs: &inputs,
        event: None,
        start: "2027-01-04T12:00:00Z".parse()?,
        default_zone: "Europe/Zurich",
        holidays: &Holidays::default(),
        policy: &Policy::default(),
        mail: true,
    };
    let steps = plan(&request)?.steps.len();
    criterion.bench_function(&format!("planning/departure of {steps} steps"), |bencher| {
        bencher.iter(|| plan(black_box(&request)));
    });
    Ok(())
}

/// Three places in a text, as an auto-reply has them, and a single value.
pub(crate) fn templates(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let scope = Scope {
        person: json!({ "display_name": "Ada Keller", "manager": { "display_name": "Søren", "email": "s@example.org" } }),
        inputs: json!({ "last_day": "2027-01-29" }),
        ..Scope::default()
    };
    let text =
        "{{ person.display_name }} has left. Write to {{ person.manager.display_name }}, {{ person.manager.email }}.";
    for (name, source) in [("templates/a text of three", text), ("templates/one value", "{{ inputs.last_day }}")] {
        let template = Template::parse(source)?;
        template.render(&scope)?;
        criterion.bench_function(name, |bencher| bencher.iter(|| template.render(black_box(&scope))));
    }
    Ok(())
}

fn ada() -> Subject {
    let person = |id, number: &str, name: &str, manager: Option<&str>| Person {
        id,
        employee_number: number.to_owned(),
        display_name: name.to_owned(),
        email: Some(format!("{number}@example.org")),
        manager_number: manager.map(str::to_owned),
        ..Person::default()
    };
    Subject::Person {
        person: Box::new(person(1, "1005", "Ada Keller", Some("1002"))),
        manager: Some(Box::new(person(2, "1002", "Søren Brandt", None))),
    }
}

fn systems() -> Vec<SystemView> {
    let kinds: [(&str, &[Facet]); 3] = [
        ("directory", &[Facet::Directory]),
        ("mailhost", &[Facet::Mail]),
        ("cloud", &[Facet::Files, Facet::Calendars]),
    ];
    let view = |(id, (name, facets)): (i64, (&str, &[Facet]))| SystemView {
        name: name.to_owned(),
        facets: facets.to_vec(),
        account: Some(Account {
            id,
            system: name.to_owned(),
            external_id: format!("{name}-{id}"),
            login: "ada".to_owned(),
            person_id: Some(1),
            status: AccountStatus::Enabled,
            attributes: BTreeMap::new(),
            last_sign_in: None,
            purge_due: None,
        }),
        capabilities: ActionKind::ALL.iter().map(|action| (*action, Capability::Supported)).collect(),
    };
    (11..).zip(kinds).map(view).collect()
}
