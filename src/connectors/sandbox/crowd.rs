//! A company of any size on the shipped systems, for what must hold with many people: kills, floods, benchmarks.

use std::fmt::Write as _;

use jiff::civil::Date;

use super::shipped;

/// A generated company and its HR file.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// What `company.toml` would hold.
    pub company: String,
    /// What `people.csv` would hold.
    pub people: String,
}

impl Crowd {
    /// `leavers` people who all leave on `last_day`, and the manager who stays (number `00000`). Each has an account
    /// on every shipped system but the badges, with sessions, an application password, a forward, mails, files and a
    /// calendar to take care of. The same figures give the same texts.
    pub fn leaving(leavers: usize, last_day: Date) -> Self {
        let systems = shipped::COMPANY.split_once("\n[[people]]").map_or(shipped::COMPANY, |(systems, _)| systems);
        let mut crowd = Self { company: format!("{systems}\n"), people: HEADER.to_owned() };
        crowd.add(0, "", "active");
        for number in 1..=leavers {
            crowd.add(number, &last_day.to_string(), "leaving");
        }
        crowd
    }

    fn add(&mut self, number: usize, last_day: &str, status: &str) {
        let n = format!("{number:05}");
        let manager = if number == 0 { "" } else { "00000" };
        // Writing into a string does not fail.
        let _ = writeln!(
            self.people,
            "{n},Robin,Crowd {n},Robin Crowd {n},robin.{n}@crowd.example,{manager},Crowd,Europe/Zurich,en,2020-01-06,\
             {last_day},{status}"
        );
        let _ = write!(
            self.company,
            r#"
[[people]]
number = "{n}"
given_name = "Robin"
family_name = "Crowd {n}"
email = "robin.{n}@crowd.example"
on.directory = {{ id = "u-{n}", role = "user", groups = ["staff"], sessions = ["laptop"], tokens = ["authenticator"] }}
on.files = {{ id = "f-{n}", files = 100, file_size = "1 GB", sessions = ["laptop"], tokens = ["desktop client"] }}
on.groupware = {{ id = "g-{n}", calendars = [{{ name = "Robin", events = 10 }}], contacts = ["a@b.example"] }}

[people.on.mailhost]
id = "m-{n}"
licence = "mail-standard"
mails = 1000
mail_size = "0.2 GB"
sessions = ["laptop", "phone"]
app_passwords = ["phone"]
rules = [{{ name = "private copy", forward_to = "robin.{n}@private.example" }}]
"#
        );
    }
}

const HEADER: &str = "employee_number,given_name,family_name,display_name,email,manager,department,timezone,language,\
                      start_date,last_day,status\n";
