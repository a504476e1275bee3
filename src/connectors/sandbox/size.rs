//! Sizes as people write them.

/// Bytes of `5 GB`, `1.5 GiB`, `700MB` or `1024`; decimal and binary units by their own meaning.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "kib" => 1 << 10,
        "mb" => 1_000_000,
        "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor) / u128::from(scale);
    whole.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_have_units_and_nonsense_has_none() {
        assert_eq!(parse("5 GB"), Some(5_000_000_000));
        assert_eq!(parse("1.5 GiB"), Some(1_610_612_736));
        assert_eq!(parse("700MB"), Some(700_000_000));
        assert_eq!(parse("1024"), Some(1024));
        for nonsense in ["", "GB", "5 apples", "-1", "1.2.3 GB", "99999999999999999999 TB"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
