//! Unix wildcards as in dbt's selectors: `*`, `?`, `[abc]`, `[a-z]`, `[!a]`; and paths with `**`.

/// A pattern that is matched against a whole text, case-sensitively.
#[derive(Debug, Clone)]
pub(super) struct Wildcard(Vec<Token>);

#[derive(Debug, Clone)]
enum Token {
    /// `*`: any characters, none included.
    Many,
    /// `?`: any one character.
    One,
    /// `[...]`: one character in one of the ranges, or in none of them.
    Class { negated: bool, ranges: Vec<(char, char)> },
    /// The character itself.
    Literal(char),
}

impl Token {
    fn accepts(&self, character: char) -> bool {
        match self {
            Self::Many | Self::One => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != *negated
            }
            Self::Literal(literal) => *literal == character,
        }
    }
}

impl Wildcard {
    /// Reads a pattern; every text is one. A `[` that is not closed stands for itself.
    pub(super) fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            tokens.push(match character {
                '*' => Token::Many,
                '?' => Token::One,
                '[' => match class(rest) {
                    Some((token, behind)) => {
                        rest = behind;
                        token
                    }
                    None => Token::Literal('['),
                },
                other => Token::Literal(other),
            });
        }
        Self(tokens)
    }

    /// Whether the pattern matches the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut token, mut at) = (0, 0);
        // Where to go on when a match fails: behind the last `*`, with one more character taken by it.
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Many) => {
                    retry = Some((token + 1, at));
                    token += 1;
                }
                Some(other) if other.accepts(text[at]) => {
                    token += 1;
                    at += 1;
                }
                _ => match retry {
                    Some((behind, from)) => {
                        retry = Some((behind, from + 1));
                        (token, at) = (behind, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[token..].iter().all(|token| matches!(token, Token::Many))
    }
}

/// Whether a text has a character that makes it more than a literal.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', ']'])
}

/// The class at the beginning of `text`, which stands behind a `[`, and what comes after its `]`.
fn class(text: &str) -> Option<(Token, &str)> {
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
    // A `]` in the first place is a member of the class.
    let skip = usize::from(text.starts_with(']'));
    let end = skip + text[skip..].find(']')?;
    let members: Vec<char> = text[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut rest = members.as_slice();
    while let [first, behind @ ..] = rest {
        if let ['-', last, behind @ ..] = behind {
            ranges.push((*first, *last));
            rest = behind;
        } else {
            ranges.push((*first, *first));
            rest = behind;
        }
    }
    Some((Token::Class { negated, ranges }, &text[end + 1..]))
}

/// A pattern of a path: matches the files and folders it describes, and so everything below such a folder.
#[derive(Debug, Clone)]
pub(super) struct PathPattern(Vec<Segment>);

#[derive(Debug, Clone)]
enum Segment {
    /// `**`: any number of folders.
    Folders,
    /// One file or folder.
    Name(Wildcard),
}

impl PathPattern {
    /// Reads a pattern relative to the project's folder.
    pub(super) fn new(pattern: &str) -> Self {
        let segments = pattern.split('/').filter(|segment| !segment.is_empty() && *segment != ".");
        Self(
            segments
                .map(|segment| if segment == "**" { Segment::Folders } else { Segment::Name(Wildcard::new(segment)) })
                .collect(),
        )
    }

    /// Whether the pattern matches the path or one of the folders that it lies in.
    pub(super) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        // How many names of the path the segments so far may have taken.
        let mut taken: Vec<usize> = vec![0];
        for segment in &self.0 {
            taken = match segment {
                Segment::Folders => taken.first().map_or(Vec::new(), |least| (*least..=names.len()).collect()),
                Segment::Name(wildcard) => taken
                    .iter()
                    .filter(|count| names.get(**count).is_some_and(|name| wildcard.matches(name)))
                    .map(|count| count + 1)
                    .collect(),
            };
        }
        !taken.is_empty()
    }
}
