//! What `with:` may say: one typed structure per action.
//!
//! The structures stand in [`shapes`]; this file binds them to the actions, checks what a workflow file writes, and
//! reads the rendered values at run time.

pub mod shapes;
pub mod values;

use serde::Serialize;
use serde_json::{Map, Value};

use super::action::ActionKind;
pub use shapes::*;
pub use values::{Addressees, Items, Length, Quota, Recipient, Recipients};

/// What one parameter is, as far as a check needs it.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether an action cannot do without it.
    pub required: bool,
    /// Whether a value has the right type; otherwise what was expected.
    pub accepts: fn(&Value) -> Result<(), String>,
}

macro_rules! bind {
    ($($variant:ident: [$($kind:ident)+])+ ; none: [$($none:ident)+]) => {
        /// The parameters of one action, typed.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Params {
            /// The action takes none.
            None {},
            $(#[doc = concat!("[`", stringify!($variant), "`].")] $variant($variant),)+
        }

        impl Params {
            /// Reads rendered values. What rendered to null counts as not given.
            ///
            /// # Errors
            /// When a value is missing, unknown or of the wrong type; the text names it.
            pub fn from_json(kind: ActionKind, with: &Map<String, Value>) -> Result<Self, String> {
                let given = with.iter().filter(|(_, value)| !value.is_null());
                let given: Map<String, Value> = given.map(|(key, value)| (key.clone(), fit(kind, key, value))).collect();
                check(kind, &given)?;
                let given = Value::Object(given);
                match kind {
                    $($(ActionKind::$kind)|+ => serde_json::from_value(given).map(Self::$variant),)+
                    $(ActionKind::$none)|+ => Ok(Self::None {}),
                }
                .map_err(|error| format!("`{kind}`: {error}"))
            }

            /// The parameters an action takes.
            pub const fn fields(kind: ActionKind) -> &'static [FieldSpec] {
                match kind {
                    $($(ActionKind::$kind)|+ => $variant::FIELDS,)+
                    $(ActionKind::$none)|+ => &[],
                }
            }

            /// The JSON Schema of an action's parameters; `None` where it takes none.
            pub fn schema(kind: ActionKind) -> Option<schemars::Schema> {
                match kind {
                    $($(ActionKind::$kind)|+ => Some(schemars::schema_for!($variant)),)+
                    $(ActionKind::$none)|+ => None,
                }
            }
        }
    };
}

bind! {
    Disable: [AccountDisable]
    AutoReply: [MailAutoReply]
    Redirect: [MailRedirect]
    Delegate: [MailDelegate]
    Transfer: [MailTransfer FilesTransfer CalendarsTransfer]
    MailArchive: [MailArchive]
    FilesArchive: [FilesArchive]
    Block: [ProductBlock]
    Unblock: [ProductUnblock]
    Maintenance: [MailMaintenance]
    Create: [AccountCreate]
    Credentials: [CredentialsSend]
    Groups: [GroupsAdd GroupsSync]
    Role: [RoleSet]
    Alias: [AliasAdd AliasRemove]
    SetQuota: [QuotaSet]
    Update: [AccountUpdate]
    Reset: [PasswordReset]
    Mail: [NotifyEmail]
    Http: [HttpRequest]
    Program: [Exec]
    ManualTask: [Task]
    Points: [Checklist]
    Approve: [Approval]
    InactiveReport: [ReportInactiveAccounts]
    Report: [ReportRoles ReportAliases ReportAccounts]
    ; none: [
        AccountEnable PasswordRotate SessionsRevoke AppPasswordsRevoke TokensRevoke AccessRemove LicenceRelease
        MailClearAutoReply MailClearRedirect MailClearRules MailUndelegate CalendarsExport ContactsExport
        DirectoryHide DirectoryShow AccountDelete AccountRestore AccountPurge MailEndMaintenance AccountsSync
        VerifyNoAccess
    ]
}

impl Params {
    /// Two parameters of which exactly one must be given.
    pub const fn either(kind: ActionKind) -> Option<(&'static str, &'static str)> {
        match kind {
            ActionKind::MailAutoReply | ActionKind::NotifyEmail => Some(("template", "message")),
            _ => None,
        }
    }
}

/// A rendered value as the parameter wants it: a number becomes text, or text a number, where only that fits.
fn fit(kind: ActionKind, key: &str, value: &Value) -> Value {
    let Some(field) = Params::fields(kind).iter().find(|field| field.name == key) else { return value.clone() };
    let other = match value {
        Value::Number(_) | Value::Bool(_) => Some(Value::String(value.to_string())),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    };
    let other = other.filter(|other| (field.accepts)(value).is_err() && (field.accepts)(other).is_ok());
    other.unwrap_or_else(|| value.clone())
}

/// Missing and contradicting keys, in words; types are the deserialiser's.
fn check(kind: ActionKind, given: &Map<String, Value>) -> Result<(), String> {
    if let Some(field) = Params::fields(kind).iter().find(|field| field.required && !given.contains_key(field.name)) {
        return Err(format!("`{kind}` needs `{}`, which is missing or empty", field.name));
    }
    if let Some(key) = given.keys().find(|key| Params::fields(kind).iter().all(|field| field.name != *key)) {
        return Err(format!("`{kind}` has no parameter `{key}`"));
    }
    match Params::either(kind) {
        Some((a, b)) if given.contains_key(a) == given.contains_key(b) => {
            Err(format!("`{kind}` needs either `{a}` or `{b}`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: ActionKind, with: &Value) -> Result<Params, String> {
        Params::from_json(kind, with.as_object().unwrap())
    }

    #[test]
    fn a_rendered_manager_is_a_recipient() {
        let manager = json!({ "employee_number": "7", "email": "grace@example.com", "display_name": "Grace" });
        let Ok(Params::Transfer(transfer)) = read(ActionKind::FilesTransfer, &json!({ "to": manager })) else {
            panic!("a transfer")
        };
        assert_eq!(transfer.to.email.as_deref(), Some("grace@example.com"));
        assert_eq!(transfer.to.employee_number.as_deref(), Some("7"));
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let Ok(Params::Disable(disable)) = read(ActionKind::AccountDisable, &json!({})) else { panic!("disable") };
        assert_eq!(disable.reason, DisableReason::Departure);
        let Ok(Params::Approve(approve)) = read(ActionKind::Approval, &json!({ "role": "approver" })) else {
            panic!("approval")
        };
        assert_eq!((approve.valid.0.days(), approve.answer_within.0.days()), (30.0, 30.0));
        assert_eq!(read(ActionKind::AccountPurge, &json!({})), Ok(Params::None {}));
    }

    #[test]
    fn what_rendered_to_null_is_not_given() {
        let redirect = json!({ "to": "a@example.com", "reason": null });
        assert!(read(ActionKind::MailRedirect, &redirect).is_ok());
        let error = read(ActionKind::MailRedirect, &json!({ "to": null })).unwrap_err();
        assert_eq!(error, "`mail.redirect` needs `to`, which is missing or empty");
    }

    #[test]
    fn rendered_numbers_and_flags_become_what_the_parameter_wants() {
        let Ok(Params::Role(role)) = read(ActionKind::RoleSet, &json!({ "role": 7 })) else { panic!("a role") };
        assert_eq!(role.role.as_deref(), Some("7"));
        let redirect = json!({ "to": "a@example.com", "keep_copy": "true" });
        let Ok(Params::Redirect(redirect)) = read(ActionKind::MailRedirect, &redirect) else { panic!("a redirect") };
        assert!(redirect.keep_copy);
        assert!(read(ActionKind::MailRedirect, &json!({ "to": true, "keep_copy": 7 })).is_err());
    }

    #[test]
    fn unknown_missing_and_contradicting_values_are_named() {
        assert!(read(ActionKind::RoleSet, &json!({ "role": "x", "rule": "y" })).unwrap_err().contains("`rule`"));
        assert!(read(ActionKind::AccountPurge, &json!({ "now": true })).unwrap_err().contains("no parameter `now`"));
        let both = json!({ "subject": "x", "template": "a", "message": "b" });
        assert!(read(ActionKind::MailAutoReply, &both).unwrap_err().contains("either `template` or `message`"));
        assert!(read(ActionKind::Checklist, &json!({ "items": [] })).unwrap_err().contains("at least one"));
    }

    #[test]
    fn every_action_that_takes_parameters_has_a_schema_with_its_fields() {
        for kind in ActionKind::ALL {
            let fields = Params::fields(*kind);
            let schema = Params::schema(*kind).map(|schema| schema.as_value().clone());
            assert_eq!(schema.is_some(), !fields.is_empty(), "{kind}");
            for field in fields {
                let described = &schema.as_ref().unwrap()["properties"][field.name]["description"];
                assert!(described.is_string(), "{kind}: {} has no description", field.name);
            }
        }
    }

    #[test]
    fn typed_parameters_read_themselves_back() {
        let written = json!({ "to": "a@example.com", "keep_copy": true });
        let params = read(ActionKind::MailRedirect, &written).unwrap();
        let again = serde_json::to_value(&params).unwrap();
        assert_eq!(read(ActionKind::MailRedirect, &again), Ok(params));
    }
}
