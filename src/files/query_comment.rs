//! `query-comment` of the project file: what stands as a comment at the SQL of the query log.

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::files::yaml::{Yaml, YamlNode};

/// The comment, and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryComment {
    /// What is said.
    pub comment: Comment,
    /// Whether it stands behind the SQL and not before it.
    pub append: bool,
}

/// What a comment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Comment {
    /// Program, versions, profile, target and node as JSON: what there is without a word of the project.
    #[default]
    Facts,
    /// Nothing.
    Nothing,
    /// What this template becomes.
    Template(String),
}

impl QueryComment {
    /// Reads the key: a text, or a mapping with `comment` and `append`. An empty value means no comment.
    pub fn read(written: Option<&Yaml>, diagnostics: &mut Diagnostics) -> Self {
        let Some(written) = written else { return Self::default() };
        let comment_of = |text: &str| match text {
            "" => Comment::Nothing,
            text => Comment::Template(text.to_owned()),
        };
        let wrong = |place: &Yaml, expected: &str| {
            Diagnostic::error("wrong-type", format!("`query-comment` must be {expected}"))
                .at(place.location.clone(), "")
        };
        let YamlNode::Mapping(entries) = &written.node else {
            return match (written.is_null(), written.scalar_text()) {
                (true, _) => Self { comment: Comment::Nothing, append: false },
                (false, Some(text)) => Self { comment: comment_of(&text), append: false },
                (false, None) => {
                    diagnostics.push(wrong(written, "a text or a mapping with `comment` and `append`"));
                    Self::default()
                }
            };
        };
        let mut read = Self::default();
        for (key, value) in entries {
            match key.value.as_str() {
                "comment" if value.is_null() => read.comment = Comment::Nothing,
                "comment" => match value.scalar_text() {
                    Some(text) => read.comment = comment_of(&text),
                    None => diagnostics.push(wrong(value, "a text where it says `comment`")),
                },
                "append" => match value.to_json().as_bool() {
                    Some(append) => read.append = append,
                    None => diagnostics.push(wrong(value, "true or false where it says `append`")),
                },
                // Labels of BigQuery's jobs.
                "job-label" => {}
                _ => {
                    let message = format!("`query-comment` has no key `{}`", key.value);
                    diagnostics.push(Diagnostic::warning("unknown-key", message).at(key.location.clone(), ""));
                }
            }
        }
        read
    }
}
