//! Versions of packages and the bounds that projects put on them.

use std::fmt;

use semver::Version;

/// How a version must stand to that of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One condition on a version, such as `>=1.2.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    relation: Relation,
    version: Version,
}

/// Conditions that all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds(Vec<Bound>);

impl Bounds {
    /// Reads bounds: each text is a version, or one or several conditions with commas between them. An error says
    /// which text is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let parts = texts.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty());
        parts.map(bound).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a version fulfils all.
    pub fn admit(&self, version: &Version) -> bool {
        self.0.iter().all(|bound| match bound.relation {
            Relation::Equal => *version == bound.version,
            Relation::Less => *version < bound.version,
            Relation::LessOrEqual => *version <= bound.version,
            Relation::Greater => *version > bound.version,
            Relation::GreaterOrEqual => *version >= bound.version,
        })
    }

    /// Whether a bound names a version that is not released.
    pub fn name_a_prerelease(&self) -> bool {
        self.0.iter().any(|bound| !bound.version.pre.is_empty())
    }
}

fn bound(text: &str) -> Result<Bound, String> {
    let relations = [
        (">=", Relation::GreaterOrEqual),
        ("<=", Relation::LessOrEqual),
        ("==", Relation::Equal),
        ("=", Relation::Equal),
        (">", Relation::Greater),
        ("<", Relation::Less),
    ];
    let (relation, rest) = relations
        .iter()
        .find_map(|(sign, relation)| text.strip_prefix(sign).map(|rest| (*relation, rest)))
        .unwrap_or((Relation::Equal, text));
    let rest = rest.trim();
    let version = Version::parse(rest.strip_prefix('v').unwrap_or(rest)).map_err(|_| text.to_owned())?;
    Ok(Bound { relation, version })
}

impl fmt::Display for Bounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("any version");
        }
        for (index, Bound { relation, version }) in self.0.iter().enumerate() {
            let sign = match relation {
                Relation::Equal => "=",
                Relation::Less => "<",
                Relation::LessOrEqual => "<=",
                Relation::Greater => ">",
                Relation::GreaterOrEqual => ">=",
            };
            write!(formatter, "{}{sign}{version}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let admits = |bounds: &[&str], version: &str| {
            Bounds::parse(bounds.iter().copied()).unwrap().admit(&Version::parse(version).unwrap())
        };
        assert!(admits(&[">=1.0.0", "<2.0.0"], "1.9.3"));
        assert!(admits(&[">=1.0.0,<2.0.0"], "1.0.0"));
        assert!(!admits(&[">=1.0.0", "<2.0.0"], "2.0.0"));
        assert!(!admits(&[">1.0.0"], "1.0.0") && admits(&["<=1.0.0"], "1.0.0"));
        assert!(admits(&["=1.0.0"], "1.0.0") && admits(&["1.0.0"], "1.0.0") && !admits(&["1.0.0"], "1.0.1"));
        assert!(!admits(&[">=1.0.0"], "1.0.0-b1") && admits(&[">=1.0.0-a1"], "1.0.0-b1"));
        assert_eq!(Bounds::parse(["1.0.0", ">=1.0"]), Err(">=1.0".to_owned()));
        assert_eq!(Bounds::parse([">=1.0.0", "<2.0.0"]).unwrap().to_string(), ">=1.0.0, <2.0.0");
    }
}
