//! `usher systems test`: what works, which rights are missing, what is done with limits.

use serde_json::{Value, json};

use super::account::is_denied;
use super::doveadm::Answer;
use super::error::Effect;
use super::name::UserName;
use super::scripts::Scripts;
use super::{DovecotSystem, capability, file, passwd};
use crate::connectors::looking::Findings;
use crate::connectors::{ActionError, Reach};

/// Tries everything that can be tried without changing anything.
pub(super) async fn test(at: &DovecotSystem) -> Reach {
    let mut findings = Findings::default();
    if let Err(error) = at.look(&mut findings).await {
        findings.bad(error.to_string());
    }
    findings.limits(|action| capability::of(&at.name, &at.settings, action));
    findings.reach()
}

impl DovecotSystem {
    async fn look(&self, findings: &mut Findings) -> Result<(), ActionError> {
        let table = self.doveadm.one(Effect::Looks, "user", json!({ "userMask": ["*"] })).await?;
        let names = table.get("userList").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let names: Vec<UserName> = names.iter().filter_map(|name| UserName::parse(name.as_str()?)).collect();
        let how = if self.doveadm.url().starts_with("https:") { "the certificate is verified" } else { "in the clear" };
        findings.good(format!("doveadm answers at {} ({how}), and lists {} accounts", self.doveadm.url(), names.len()));
        self.look_at_files(findings).await;
        self.look_at_table(findings).await;
        let Some(sample) = names.first() else {
            findings.bad("Dovecot lists no accounts: does its userdb have an `iterate_query`?");
            return Ok(());
        };
        self.look_at_plugins(sample, findings).await?;
        self.look_at_scripts(&names, findings).await
    }

    async fn look_at_files(&self, findings: &mut Findings) {
        let files = [("passwd_file", self.settings.passwd_file()), ("deny_file", self.settings.deny_file.as_deref())];
        for (key, path) in files {
            let Some(path) = path else { continue };
            match file::may_change(path).await {
                Ok(()) => findings.good(format!("`{key}` can be read and changed: {}", path.display())),
                Err(error) => findings.bad(format!("`{key}` cannot be changed: {error}")),
            }
        }
    }

    async fn look_at_table(&self, findings: &mut Findings) {
        let Some(table) = &self.table else { return };
        match table.test().await {
            Ok(()) => findings.good(format!("`table` can be read and changed: {}", table.place())),
            Err(error) => findings.bad(format!("`table` cannot be read and changed: {error}")),
        }
    }

    async fn look_at_plugins(&self, sample: &UserName, findings: &mut Findings) -> Result<(), ActionError> {
        let user = json!({ "user": sample.as_str() });
        self.doveadm.one(Effect::Looks, "who", json!({ "mask": [sample.as_str()] })).await?;
        findings.good("sessions can be seen and ended");
        match self.doveadm.any(Effect::Looks, "quotaGet", user).await? {
            Answer::Done(_) => findings.good("the plugin `quota` tells sizes"),
            Answer::Refused { .. } => findings.good("without sizes: the plugin `quota` is not on"),
        }
        let acl = json!({ "user": sample.as_str(), "mailbox": "INBOX" });
        match self.doveadm.any(Effect::Looks, "aclGet", acl).await? {
            Answer::Done(_) => findings.good("the plugin `acl` lets folders be shared"),
            Answer::Refused { .. } => {
                findings.bad("folders cannot be shared: the plugin `acl` is not on (`mail.delegate`)")
            }
        }
        let Some(dictionary) = &self.settings.last_login else {
            findings.good("without last sign-ins: `last_login` is not set");
            return Ok(());
        };
        let asked = json!({ "user": sample.as_str(), "dictUri": dictionary, "prefix": "shared/last-login/" });
        match self.doveadm.any(Effect::Looks, "dictIter", asked).await? {
            Answer::Done(_) => findings.good("last sign-ins can be read"),
            Answer::Refused { .. } => {
                findings.bad("last sign-ins cannot be read: `last_login` is to be what `last_login_dict` is")
            }
        }
        Ok(())
    }

    /// As an account that may sign in, and as one that may not: usher sets auto-replies of closed accounts.
    async fn look_at_scripts(&self, names: &[UserName], findings: &mut Findings) -> Result<(), ActionError> {
        let denied = self.denied().await?.unwrap_or_default();
        let closed = names.iter().find(|name| is_denied(&denied, name));
        let open = names.iter().find(|name| !is_denied(&denied, name));
        let way = if self.settings.sieve.is_some() { "ManageSieve" } else { "doveadm" };
        for (name, what) in [(open, "accounts"), (closed, "closed accounts")] {
            let Some(name) = name else { continue };
            match self.lists_scripts(name).await {
                Ok(()) => findings.good(format!("Sieve scripts of {what} can be read by {way}")),
                Err(error) => {
                    let why = match (what, &self.settings.sieve) {
                        ("closed accounts", Some(_)) => {
                            " (the passdb of master users must not look at that of `deny_file`: leave out `result_success = continue`)"
                        }
                        _ => "",
                    };
                    findings.bad(format!("Sieve scripts of {what} cannot be read by {way}: {error}{why}"));
                }
            }
        }
        if self.settings.deny_file.is_some() && closed.is_none() && passwd::entries(&denied).next().is_none() {
            findings.good("nobody is closed yet: whether Dovecot reads `deny_file` shows when a closed account's password is rotated");
        }
        Ok(())
    }

    async fn lists_scripts(&self, name: &UserName) -> Result<(), ActionError> {
        let mut scripts = Scripts::open(self, name).await?;
        let listed = scripts.list().await.map(drop);
        scripts.close().await;
        listed
    }
}
