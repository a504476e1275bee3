//! What calls say of people: who a new account is for, and which names are to be corrected.

use serde_json::Value;

use super::membership::Membership;
use super::{ActionError, Call};

impl Call {
    /// A parameter that is text; `None` where there is none, or nothing in it.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let text = self.with.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// What the holder of a new account signs in with: the sign-in name, else the address.
    ///
    /// # Errors
    /// A final failure where neither is given.
    pub(super) fn login(&self) -> Result<String, ActionError> {
        let login = self.text("login").or_else(|| self.text("email"));
        login.ok_or_else(|| ActionError::fail("`account.create` needs a sign-in name or an address"))
    }

    /// Whether a new account may sign in at once.
    pub(super) fn begins_enabled(&self) -> bool {
        self.with.get("enabled").and_then(Value::as_bool).unwrap_or(true)
    }
}

/// What `account.create` says of a new account.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    pub(super) login: String,
    pub(super) email: Option<String>,
    pub(super) employee_number: Option<String>,
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
    pub(super) display_name: String,
    pub(super) enabled: bool,
    pub(super) groups: Option<Membership>,
}

impl Newcomer {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let (given_name, family_name) = (call.text("given_name"), call.text("family_name"));
        let login = call.login()?;
        let parts: Vec<&str> = [given_name.as_deref(), family_name.as_deref()].into_iter().flatten().collect();
        let whole = if parts.is_empty() { login.clone() } else { parts.join(" ") };
        Ok(Self {
            display_name: call.text("display_name").unwrap_or(whole),
            login,
            email: call.text("email"),
            employee_number: call.text("employee_number"),
            given_name,
            family_name,
            enabled: call.begins_enabled(),
            groups: Membership::joining(call),
        })
    }
}

/// Names to correct, by what the system calls them, and the address; those not given stay.
#[derive(Clone, Debug)]
pub(super) struct Corrections {
    pub(super) texts: Vec<(&'static str, String)>,
    pub(super) address: Option<String>,
}

impl Corrections {
    /// What `account.update` asks for; `given`, `family` and `display` are the system's words.
    pub(super) fn of(call: &Call, [given, family, display]: [&'static str; 3]) -> Result<Self, ActionError> {
        let known = [("given_name", given), ("family_name", family), ("display_name", display)];
        let texts: Vec<_> = known.into_iter().filter_map(|(key, word)| Some((word, call.text(key)?))).collect();
        let address = call.text("address");
        if texts.is_empty() && address.is_none() {
            let why = "`account.update` needs one of `given_name`, `family_name`, `display_name`, `address`";
            return Err(ActionError::fail(why));
        }
        Ok(Self { texts, address })
    }
}
