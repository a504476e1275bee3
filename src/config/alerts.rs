//! `[alerts.webhook]` and `[people] silent_after`: judged whole.

use std::time::Duration;

use super::judge::Judge;
use super::keys::{ALERTS, WEBHOOK};
use crate::mail::{WebhookSettings, webhook_url};

const DAY: u64 = 86_400;

impl Judge<'_> {
    /// `None` without the section: alerts go by mail only.
    pub(super) fn webhook(&mut self) -> Option<WebhookSettings> {
        let others: Vec<String> = self.merged.raw.alerts.keys().filter(|name| *name != WEBHOOK).cloned().collect();
        for other in others {
            let message = format!("alerts go by mail and to `[{ALERTS}.{WEBHOOK}]`; there is nothing else");
            self.wrong(&format!("{ALERTS}.{other}"), message);
        }
        let raw = self.merged.raw.alerts.get(WEBHOOK)?;
        let key = |name: &str| format!("{ALERTS}.{WEBHOOK}.{name}");
        let url = raw.url.clone().unwrap_or_else(|| {
            self.wrong(&key("url"), "it is missing: where messages are posted, `https://alerts.example.org/usher`");
            String::new()
        });
        if let Some(Err(why)) = raw.url.as_deref().map(webhook_url) {
            self.wrong(&key("url"), why);
        }
        let timeout = self.length(&key("timeout"), raw.timeout.as_deref(), 1..=60, WebhookSettings::TIMEOUT);
        let ca = raw.ca.as_deref().map(|ca| self.path(ca));
        let Some(secret) = raw.secret.clone() else {
            self.wrong(&key("secret"), "it is missing: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`");
            return None;
        };
        Some(WebhookSettings { url, secret, ca, timeout })
    }

    /// How long a source of HR's may say nothing; `None` is for ever.
    pub(super) fn silent_after(&mut self) -> Option<Duration> {
        let text = self.merged.raw.people.silent_after.as_deref()?;
        Some(self.length("people.silent_after", Some(text), 3600..=366 * DAY, Duration::from_secs(7 * DAY)))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::judged;

    #[test]
    fn a_webhook_has_an_address_and_a_secret() {
        let (config, problems) = judged(
            "[alerts.webhook]\nurl = \"https://alerts.example.org/u\"\nsecret = { env = \"HOOK\" }\n[people]\nsilent_after = \"3 days\"",
        );
        assert_eq!(problems, [""; 0]);
        let webhook = config.webhook.unwrap();
        assert_eq!((webhook.url.as_str(), webhook.timeout.as_secs()), ("https://alerts.example.org/u", 15));
        assert_eq!(config.silent_after.unwrap().as_secs(), 3 * 86_400);
        assert!(judged("").0.webhook.is_none() && judged("").0.silent_after.is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("[alerts.webhook]\nsecret = { env = \"HOOK\" }", "`alerts.webhook.url`: it is missing"),
            ("[alerts.webhook]\nurl = \"https://x/\"", "`alerts.webhook.secret`: it is missing"),
            ("[alerts.webhook]\nurl = \"http://x/\"\nsecret = { env = \"HOOK\" }", "plain http"),
            ("[alerts.webhook]\nurl = \"https://x/\"\nsecret = \"whsec_x\"", "never written into the configuration"),
            ("[alerts.webhook]\nurl = \"https://x/\"\nsecret = { env = \"H\" }\ntimeout = \"5 minutes\"", "timeout"),
            ("[alerts.pager]\nurl = \"https://x/\"\nsecret = { env = \"HOOK\" }", "there is nothing else"),
            ("[people]\nsilent_after = \"5 minutes\"", "`people.silent_after`"),
        ] {
            let (_, problems) = judged(text);
            assert!(problems.iter().any(|problem| problem.contains(named)), "{text}: {problems:?}");
        }
    }
}
