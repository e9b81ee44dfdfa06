//! Amounts as people write them.

/// Parses a size such as `4GiB`, `512 MB` or `1073741824`, in bytes.
///
/// `K`, `M`, `G`, `T` and `KiB` … `TiB` count in 1024s; `KB`, `MB`, `GB`, `TB` in 1000s.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    // A fraction such as `1.5GiB`: thousandths are exact enough for a limit and need no floating point.
    let (whole, fraction) = number.split_once('.')?;
    let thousandths: u64 = format!("{:0<3}", fraction.get(..3).unwrap_or(fraction)).parse().ok()?;
    let part = u64::try_from(u128::from(factor) * u128::from(thousandths) / 1000).ok()?;
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_in_the_units_they_name() {
        for (text, expected) in [
            ("512MB", Some(512_000_000)),
            ("512MiB", Some(512 << 20)),
            ("4 GiB", Some(4 << 30)),
            ("2G", Some(2 << 30)),
            ("1.5k", Some(1536)),
            ("1.5kB", Some(1500)),
            ("10", Some(10)),
            ("x", None),
            ("5 apples", None),
            ("1.2.3GB", None),
            ("-1GB", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }
}
