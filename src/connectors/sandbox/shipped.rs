//! The company that comes with usher: what `usher demo` plays and `usher init` writes.

/// `company.toml`: Alpine Instruments, 25 people on five systems.
pub const COMPANY: &str = include_str!("../../../config/sandbox/company.toml");

/// `people.csv`: the same 25 people as HR knows them, three of them leaving. It belongs to [`DEMO_START`].
pub const PEOPLE: &str = include_str!("../../../config/sandbox/people.csv");

/// When the demo begins: all dates of the company and its people are meant from here.
pub const DEMO_START: &str = "2027-01-20T08:00:00+01:00[Europe/Zurich]";
