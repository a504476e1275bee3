//! `usher systems test`: what works, which rights are missing, what is done with limits.

use super::capability;
use super::client::Door;
use super::house::House;
use super::multistatus::{PRIVILEGES, RESOURCE_TYPE};
use super::settings::DavSettings;
use crate::connectors::looking::Findings;
use crate::connectors::{ActionError, Reach};

/// Looks at everything that can be looked at without changing anything.
pub(super) async fn test(system: &str, settings: &DavSettings, door: &Door) -> Reach {
    let mut findings = Findings::default();
    let looked = match House::enter(system, settings, door).await {
        Ok(house) => house.look(&mut findings).await,
        Err(error) => Err(error),
    };
    if let Err(error) = looked {
        findings.bad(error.to_string());
    }
    findings.limits(|action| capability::of(system, settings, action));
    findings.reach()
}

impl House<'_> {
    async fn look(&self, findings: &mut Findings) -> Result<(), ActionError> {
        let settings = self.settings;
        let accounts = self.accounts().await?;
        let secured = match settings.url.scheme() {
            "https" => "the server's certificate is verified",
            _ => "in the clear, on this machine",
        };
        findings.good(format!("{} answers to {} ({secured})", settings.url, settings.user));
        let others: Vec<&str> =
            accounts.iter().map(|account| account.login.as_str()).filter(|name| *name != settings.user).collect();
        match others.as_slice() {
            [] => findings
                .bad(format!("no accounts but {} are shown: usher's user sees nobody else's homes", settings.user)),
            others => findings.good(format!("{} accounts are shown", others.len())),
        }
        for (word, template) in settings.homes() {
            let mut homes = others.iter().map(|name| template.fill(&settings.url, name));
            let Some(url) = homes.next() else { continue };
            let Some(home) = self.server.at(&url, &[RESOURCE_TYPE, PRIVILEGES]).await? else {
                findings.good(format!("the first account shown has no {word}"));
                continue;
            };
            let rights = home.described.inside(PRIVILEGES);
            let has = |right: &str| rights.iter().any(|own| own == right);
            match () {
                () if rights.is_empty() => {
                    findings.good(format!("the server does not say what may be done with other people's {word}"));
                }
                () if has("D:all") || has("D:write") || (has("D:bind") && has("D:unbind")) => {
                    findings.good(format!("other people's {word} may be read and changed"));
                }
                () => findings.bad(format!("usher's user has no right to change other people's {word}")),
            }
            if word == "calendars" && self.schedules(&url).await? {
                findings.good("the server sends invitations itself: calendars are copied to a colleague, and stay where they are too");
            }
        }
        Ok(())
    }
}
