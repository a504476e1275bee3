//! The configuration as it was written: the merged sources, not yet judged.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::secret::SecretRef;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    pub(super) database: RawDatabase,
    pub(super) keys: RawKeys,
    pub(super) time: RawTime,
    pub(super) workflows: RawWorkflows,
    pub(super) serve: RawServe,
    pub(super) people: RawPeople,
    pub(super) systems: BTreeMap<String, RawSystem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDatabase {
    pub(super) url: Option<String>,
    pub(super) password: Option<SecretRef>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeys {
    pub(super) file: Option<String>,
    pub(super) secret: Option<SecretRef>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTime {
    pub(super) zone: Option<String>,
    pub(super) holidays: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorkflows {
    pub(super) folder: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServe {
    pub(super) listen: Option<String>,
    pub(super) workers: Option<i64>,
    pub(super) lease: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPeople {
    pub(super) columns: Option<BTreeMap<String, String>>,
    pub(super) dates: Option<String>,
    pub(super) key_from: Option<String>,
    #[serde(rename = "match")]
    pub(super) rules: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSystem {
    pub(super) kind: Option<String>,
    #[serde(rename = "match")]
    pub(super) rules: Option<Vec<String>>,
    pub(super) company: Option<String>,
    pub(super) state: Option<String>,
    pub(super) system: Option<String>,
}
