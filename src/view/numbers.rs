//! Numbers as people read them.

/// With a comma between thousands: `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time span by its two largest units: `2 h 3 min`.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let large = UNITS.iter().position(|(size, _)| seconds >= *size);
    let Some(large) = large else {
        return "0 s".to_owned();
    };
    let (size, unit) = UNITS[large];
    let (whole, rest) = (grouped(seconds / size), seconds % size);
    match UNITS.get(large + 1) {
        Some((small, name)) if rest / small > 0 => {
            format!("{whole} {unit} {} {name}", rest / small)
        }
        _ => format!("{whole} {unit}"),
    }
}

/// Bytes, with one digit after the point: `1.5 MB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(size, _)| n >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", n as f64 / *size as f64),
        None if n == 1 => "1 byte".to_owned(),
        None => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_plain() {
        let grouped = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,567"]);
        let spans = [0, 59, 60, 61, 7_380, 90_000, 86_400 * 2_000].map(span);
        assert_eq!(
            spans,
            [
                "0 s",
                "59 s",
                "1 min",
                "1 min 1 s",
                "2 h 3 min",
                "1 d 1 h",
                "2,000 d"
            ]
        );
        assert_eq!(
            [0, 1, 999, 1_500, 45_678_000, 12_000_000_000].map(bytes),
            [
                "0 bytes",
                "1 byte",
                "999 bytes",
                "1.5 kB",
                "45.7 MB",
                "12.0 GB"
            ]
        );
    }
}
