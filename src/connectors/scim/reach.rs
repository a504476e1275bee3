//! `usher systems test`: what the provider says it can, what was tried, and what is done with limits. Nothing is changed.

use super::endpoint::{Endpoint, Kind};
use super::groups::Lookup;
use super::listing::{NoPage, Page, Query};
use super::place::Place;
use super::provider::Provider;
use super::resource::Resource;
use super::settings::{Dialect, Lack, Login, ScimSettings};
use super::{Known, capability};
use crate::connectors::looking::Findings;
use crate::connectors::{ActionError, Reach};

/// Tries everything that can be tried without changing anything, and asks anew what is known already.
pub(super) async fn test(system: &str, settings: &ScimSettings, endpoint: &Endpoint) -> Reach {
    let known = Known::default();
    let mut findings = Findings::default();
    let place = match Place::enter(system, settings, endpoint, &known).await {
        Ok(place) => place,
        Err(error) => {
            return Reach { findings: vec![format!("{}: {error}", endpoint.place())], ok: false };
        }
    };
    let login = match &settings.login {
        Login::Bearer => "a token",
        Login::Basic(user) => user,
    };
    findings.good(format!("{} answers to {login}", endpoint.place()));
    said(place.provider, place.dialect(), &mut findings);
    if let Err(error) = place.look(&mut findings).await {
        findings.bad(error.to_string());
    }
    findings.limits(|action| capability::of(system, settings, action));
    findings.reach()
}

/// What it says of itself.
fn said(provider: &Provider, dialect: Dialect, findings: &mut Findings) {
    if !provider.announced {
        findings.good("it serves no ServiceProviderConfig: it is taken for one that can what most can");
    }
    let parts = [
        ("patch", provider.patch),
        ("filter", provider.filter),
        ("etag", provider.versions),
        ("changePassword", provider.passwords),
        ("sort", provider.sort),
        ("bulk", provider.bulk),
        ("cursor pages", provider.cursors),
    ];
    let listed = |wanted: bool| {
        let names: Vec<&str> = parts.iter().filter(|(_, can)| *can == wanted).map(|(name, _)| *name).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    findings.good(format!("it can {}; it cannot {}", listed(true), listed(false)));
    findings.good(format!("changes are told as `{}`", dialect.as_str()));
    match (provider.patch, dialect) {
        (false, Dialect::Put) | (true, _) => {}
        (false, other) => {
            findings.bad(format!("it says that it knows no PATCH, and `dialect` is `{}`", other.as_str()));
        }
    }
    if dialect == Dialect::Put && !provider.versions {
        findings
            .good("resources are written whole, and it keeps no versions: what others change in that moment is lost");
    }
}

impl Place<'_> {
    async fn look(&self, findings: &mut Findings) -> Result<(), ActionError> {
        let users = self.first(Kind::Users).await?;
        match users.resources.into_iter().find_map(Resource::listed) {
            None => findings.bad("no account can be seen"),
            Some(account) if account.text("userName").is_none() => {
                findings.bad("accounts without `userName` are left out, and this one shows none");
            }
            Some(account) => {
                findings.good("accounts can be read");
                if !account.shows("active") {
                    findings.bad("accounts do not show `active`: whether one is closed cannot be seen");
                }
            }
        }
        if self.settings.has(Lack::Groups) {
            self.look_at_groups(findings).await?;
        }
        if self.settings.has(Lack::Password) && !self.provider.passwords {
            findings.bad("it changes no passwords: write `lacks = [\"password\"]`");
        }
        if self.settings.has(Lack::Roles) && !self.schemas().await?.knows("roles") {
            findings.bad("its accounts have no `roles`: write `lacks = [\"roles\"]`");
        }
        Ok(())
    }

    async fn look_at_groups(&self, findings: &mut Findings) -> Result<(), ActionError> {
        let groups = self.first(Kind::Groups).await?;
        match (groups.resources.is_empty(), self.lookup().await?) {
            (true, _) => findings.good("no group can be seen"),
            (false, Lookup::Filter(holding)) => {
                findings.good(format!("the groups of an account are found by a filter ({})", holding.filter("…")));
            }
            (false, Lookup::Reading) => {
                findings.good("the groups of an account are found by reading all groups: no filter for it works there");
            }
        }
        Ok(())
    }

    async fn first(&self, kind: Kind) -> Result<Page, ActionError> {
        let query = Query { count: 1, ..Query::default() };
        self.page(kind, &query, None).await.map_err(|why| match why {
            NoPage::Other(why) => why,
            NoPage::Filter => ActionError::retry("the list could not be read"),
        })
    }
}
