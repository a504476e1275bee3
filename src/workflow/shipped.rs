//! The workflows that are part of the program.

/// Name and text of each shipped workflow.
pub const SHIPPED: &[(&str, &str)] = &[
    ("departure", include_str!("../../workflows/departure.yaml")),
    ("emergency-block", include_str!("../../workflows/emergency-block.yaml")),
    ("unblock", include_str!("../../workflows/unblock.yaml")),
    ("temporary-leave", include_str!("../../workflows/temporary-leave.yaml")),
    ("restore-account", include_str!("../../workflows/restore-account.yaml")),
    ("secure-your-account", include_str!("../../workflows/secure-your-account.yaml")),
    ("grace-purge", include_str!("../../workflows/grace-purge.yaml")),
    ("onboarding", include_str!("../../workflows/onboarding.yaml")),
    ("name-change", include_str!("../../workflows/name-change.yaml")),
    ("role-change", include_str!("../../workflows/role-change.yaml")),
    ("alias-and-quota", include_str!("../../workflows/alias-and-quota.yaml")),
    ("password-reset", include_str!("../../workflows/password-reset.yaml")),
    ("inventory", include_str!("../../workflows/inventory.yaml")),
    ("product-block", include_str!("../../workflows/product-block.yaml")),
    ("product-unblock", include_str!("../../workflows/product-unblock.yaml")),
    ("mail-maintenance", include_str!("../../workflows/mail-maintenance.yaml")),
    ("mail-maintenance-end", include_str!("../../workflows/mail-maintenance-end.yaml")),
];

#[cfg(test)]
mod tests {
    use super::super::diagnostic::render;
    use super::super::parse::{check_all, parse};
    use super::*;

    #[test]
    fn every_shipped_workflow_is_without_mistakes_and_warnings() {
        for (name, text) in SHIPPED {
            let (workflow, warnings) =
                parse(&format!("{name}.yaml"), text).unwrap_or_else(|mistakes| panic!("{}", render(&mistakes, false)));
            assert!(warnings.is_empty(), "{}", render(&warnings, false));
            assert_eq!(workflow.name, *name);
            assert!(!workflow.title.is_empty());
        }
        assert_eq!(check_all(SHIPPED.iter().copied()).workflows.len(), SHIPPED.len());
    }

    #[test]
    fn every_shipped_file_starts_with_its_schema_line() {
        for (name, text) in SHIPPED {
            assert!(text.starts_with("# yaml-language-server: $schema="), "{name}");
        }
    }

    #[test]
    fn the_emergency_block_is_urgent_and_waits_for_nobody() {
        let text = SHIPPED.iter().find(|(name, _)| *name == "emergency-block").map(|(_, text)| *text).unwrap();
        let (workflow, _) = parse("emergency-block.yaml", text).unwrap();
        assert!(workflow.urgent);
        assert!(workflow.steps.iter().all(|step| step.at.is_none() && step.delay.is_none()));
    }
}
