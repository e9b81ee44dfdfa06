//! The parsed form of a selection: what `syntax` and `definitions` make and `evaluate` answers.

use crate::base::source::Location;
use crate::select::IndirectSelection;
use crate::select::matcher::Matcher;

/// A set of nodes, described.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    /// Every enabled node.
    Everything,
    /// What one criterion matches.
    Criterion(Criterion),
    /// What any of them has.
    Union(Vec<Self>),
    /// What all of them have.
    Intersection(Vec<Self>),
    /// What the first has and the second has not.
    Difference(Box<Self>, Box<Self>),
    /// Something that the user typed and expects to exist.
    Expected {
        /// What was typed, parsed.
        inner: Box<Self>,
        /// As typed.
        text: String,
        /// Where.
        location: Location,
    },
}

/// One method with its graph operators.
#[derive(Debug, Clone)]
pub(super) struct Criterion {
    /// What is looked for.
    pub(super) target: Target,
    /// The value as written, for hints.
    pub(super) value: String,
    /// What is taken along.
    pub(super) operators: Operators,
    /// Which tests are taken along.
    pub(super) indirect: IndirectSelection,
}

/// What a criterion looks for before its graph operators apply.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Nodes that match.
    Matcher(Matcher),
    /// A named selector of the project.
    Named(Box<Expression>),
}

/// The graph operators of a criterion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Operators {
    /// `@a`: descendants and all ancestors of those.
    pub(super) childrens_parents: bool,
    /// `+a`.
    pub(super) parents: Reach,
    /// `a+`.
    pub(super) children: Reach,
}

/// How far a graph operator reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// The operator is absent.
    #[default]
    Nowhere,
    /// So many steps.
    Steps(usize),
    /// To the end of the graph.
    Anywhere,
}
