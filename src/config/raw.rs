//! The configuration as it was written: the merged sources, not yet judged.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::declared::{RawExec, RawHttp};
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
    pub(super) calendars: BTreeMap<String, RawCalendar>,
    pub(super) policy: RawPolicy,
    pub(super) limits: RawLimits,
    pub(super) policies: BTreeMap<String, RawPolicy>,
    pub(super) naming: RawNaming,
    pub(super) access: RawAccess,
    pub(super) protected: RawProtected,
    pub(super) audit: RawAudit,
    pub(super) archive: RawArchive,
    pub(super) retention: RawRetention,
    pub(super) passwords: RawPasswords,
    pub(super) mail: Option<RawMail>,
    pub(super) alerts: BTreeMap<String, RawWebhook>,
    pub(super) systems: BTreeMap<String, RawSystem>,
    pub(super) requests: BTreeMap<String, RawHttp>,
    pub(super) programs: BTreeMap<String, RawExec>,
    pub(super) departments: BTreeMap<String, RawDepartment>,
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
    pub(super) silent_after: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCalendar {
    pub(super) days: Option<Vec<String>>,
    pub(super) weekend: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub(super) redirect: Option<String>,
    pub(super) auto_reply_max: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) destructive_per_hour: Option<String>,
    pub(super) destructive_per_day: Option<String>,
    pub(super) cuts_per_hour: Option<String>,
    pub(super) inventory_age: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNaming {
    pub(super) pattern: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) on_collision: Option<String>,
    pub(super) reserve: Option<String>,
    pub(super) reserved: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccess {
    pub(super) administrators: Option<Vec<String>>,
    pub(super) people: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProtected {
    pub(super) accounts: Option<Vec<String>>,
    pub(super) logins: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPasswords {
    pub(super) length: Option<i64>,
    pub(super) classes: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAudit {
    pub(super) checkpoint_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawArchive {
    pub(super) kind: Option<String>,
    pub(super) folder: Option<String>,
    pub(super) url: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) ca: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) region: Option<String>,
    pub(super) retain: Option<String>,
    pub(super) timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRetention {
    pub(super) finished_runs: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawDepartment {
    pub(super) groups: Option<Vec<String>>,
    pub(super) role: Option<String>,
    pub(super) quota: Option<String>,
    pub(super) licences: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMail {
    pub(super) transport: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<i64>,
    pub(super) tls: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) ca: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) folder: Option<String>,
    pub(super) from: Option<String>,
    pub(super) reply_to: Option<String>,
    pub(super) administrators: Option<Vec<String>>,
    pub(super) language: Option<String>,
    pub(super) templates: Option<String>,
    pub(super) remind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RawSystem {
    pub(super) kind: Option<String>,
    #[serde(rename = "match")]
    pub(super) rules: Option<Vec<String>>,
    pub(super) sign_in: Option<String>,
    pub(super) destructive_per_hour: Option<String>,
    pub(super) destructive_per_day: Option<String>,
    pub(super) cuts_per_hour: Option<String>,
    pub(super) at_once: Option<i64>,
    pub(super) rate: Option<String>,
    pub(super) own_account: Option<String>,
    pub(super) password_length: Option<i64>,
    pub(super) password_classes: Option<Vec<String>>,
    pub(super) company: Option<String>,
    pub(super) state: Option<String>,
    pub(super) system: Option<String>,
    /// What its kind takes besides, which the kind's own settings read. Which keys there are, `keys.rs` knows.
    #[serde(flatten)]
    pub(super) own: serde_json::Map<String, serde_json::Value>,
}

/// `kind = "ldap"`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLdap {
    pub(super) profile: Option<String>,
    pub(super) url: Option<String>,
    pub(super) tls: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) base: Option<String>,
    pub(super) people: Option<String>,
    pub(super) groups: Option<String>,
    pub(super) deleted: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) login: Option<String>,
    pub(super) employee_number: Option<String>,
    pub(super) hidden: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) administrators: Option<String>,
    pub(super) placeholder: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) page: Option<i64>,
    pub(super) timeout: Option<String>,
}

/// `kind = "scim"`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScim {
    pub(super) url: Option<String>,
    pub(super) networks: Option<Vec<String>>,
    pub(super) ca: Option<String>,
    pub(super) token: Option<SecretRef>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) dialect: Option<String>,
    pub(super) employee_number: Option<String>,
    pub(super) lacks: Option<Vec<String>>,
    pub(super) administrators: Option<String>,
    pub(super) page: Option<i64>,
    pub(super) timeout: Option<String>,
    pub(super) answer_limit: Option<i64>,
}

/// `kind = "dovecot"`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDovecot {
    pub(super) url: Option<String>,
    pub(super) api_key: Option<SecretRef>,
    pub(super) tls: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) imap: Option<String>,
    pub(super) sieve: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretRef>,
    pub(super) passwd_file: Option<String>,
    pub(super) database: Option<String>,
    pub(super) database_password: Option<SecretRef>,
    pub(super) table: Option<String>,
    pub(super) columns: Option<BTreeMap<String, String>>,
    pub(super) deny_file: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) last_login: Option<String>,
    pub(super) timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    pub(super) url: Option<String>,
    pub(super) secret: Option<SecretRef>,
    pub(super) ca: Option<String>,
    pub(super) timeout: Option<String>,
}
