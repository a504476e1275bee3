//! A person's scripts in hand: what acts now, what usher has set, and what of the person's own would send mail on.

use crate::connectors::ActionError;
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::name::UserName;
use crate::connectors::dovecot::scripts::{Script, Scripts};
use crate::connectors::dovecot::sieve::{Does, NAME, Own, Wishes};

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    scripts: Vec<Script>,
    /// What usher has set, and the script that it is written in.
    pub(super) wishes: Wishes,
    text: Option<String>,
    /// What the person's own script does that acts now, by itself or behind usher's.
    pub(super) own_forwards: usize,
    own: Option<Own>,
}

impl Desk {
    /// Looks, on a connection of its own.
    pub(super) async fn look_at(user: &UserName, at: &DovecotSystem) -> Result<Self, ActionError> {
        let mut scripts = Scripts::open(at, user).await?;
        let desk = Self::look(&mut scripts).await;
        scripts.close().await;
        desk
    }

    pub(super) async fn look(scripts: &mut Scripts<'_>) -> Result<Self, ActionError> {
        let mut desk = Self { scripts: scripts.list().await?, ..Self::default() };
        if desk.scripts.iter().any(|script| script.name == NAME) {
            desk.text = scripts.get(NAME).await?;
        }
        if let Some(text) = &desk.text {
            let foreign = || ActionError::fail(format!("the script `{NAME}` is not one of usher's: rename it"));
            desk.wishes = Wishes::read(text).ok_or_else(foreign)?;
        }
        let own = match desk.active() {
            Some(NAME) => desk.wishes.own.as_ref().map(|own| own.name.clone()),
            other => other.map(str::to_owned),
        };
        if let Some(name) = own
            && let Some(text) = scripts.get(&name).await?
        {
            let does = Does::read(&text);
            let acts = desk.active() != Some(NAME) || desk.wishes.text().contains("include :personal");
            desk.own_forwards = if acts { does.forwards } else { 0 };
            desk.own = Some(Own { name, goes_on: does.may_go_on() });
        }
        Ok(desk)
    }

    /// The script that acts.
    pub(super) fn active(&self) -> Option<&str> {
        self.scripts.iter().find(|script| script.active).map(|script| script.name.as_str())
    }

    /// Whether what usher has set acts, exactly as it would be written now.
    pub(super) fn stands(&self) -> bool {
        let acts = if self.wishes.act() { self.active() == Some(NAME) } else { self.active() != Some(NAME) };
        let kept = self.text.as_deref() == self.wishes_text().as_deref();
        acts && kept
    }

    /// The script for what is wished; none where there is nothing to hold.
    fn wishes_text(&self) -> Option<String> {
        let held = self.wishes.act() || !self.wishes.delegates.is_empty();
        held.then(|| self.wishes.text())
    }

    /// The person's own script, which acts now or comes back later.
    pub(super) fn own(&self) -> Option<&Own> {
        self.own.as_ref()
    }

    /// Brings about what is wished. The person's own script comes back where usher's has nothing left to do.
    pub(super) async fn write(mut self, wishes: Wishes, scripts: &mut Scripts<'_>) -> Result<(), ActionError> {
        let ours_acts = self.active() == Some(NAME);
        self.wishes = wishes;
        if self.wishes.act() {
            scripts.put(NAME, &self.wishes.text()).await?;
            return if ours_acts { Ok(()) } else { scripts.activate(NAME).await };
        }
        if ours_acts {
            let own = self.wishes.own.take().filter(|own| self.scripts.iter().any(|script| script.name == own.name));
            match own {
                Some(own) => scripts.activate(&own.name).await?,
                None => scripts.deactivate().await?,
            }
        }
        self.wishes.own = None;
        match self.wishes_text() {
            Some(text) => scripts.put(NAME, &text).await,
            None if self.text.is_some() => scripts.delete(NAME).await,
            None => Ok(()),
        }
    }
}
