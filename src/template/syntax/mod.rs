//! The form in which templates are kept and evaluated: an owned tree whose nodes know where they stand in their file.
//!
//! minijinja's parser makes the first tree, which borrows from its text; `lower` turns it into this one.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use crate::base::source::{Location, SourceFile};

pub mod calls;
mod lower;
mod rewrite;

pub use lower::parse_template;
pub use rewrite::scan_blocks;

/// Where a template's text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: Arc<SourceFile>,
    /// How positions in the text become positions in the file.
    pub base: Base,
    /// Whether the text belongs to karat and not to the user.
    pub built_in: bool,
}

/// How positions in a template's text become positions in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The text is the file's text from this offset.
    Offset(usize),
    /// The text was made from this range of the file (an unquoted YAML string, generated text), which stands for all.
    Whole(Range<usize>),
}

impl Origin {
    /// The place of a span of the text.
    pub fn location(&self, span: Span) -> Location {
        let range = match &self.base {
            Base::Offset(offset) => offset + span.start..offset + span.end,
            Base::Whole(range) => range.clone(),
        };
        Location::new(&self.file, range)
    }
}

/// A range of bytes of a template's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// The prefixes of the macros that `adapter.dispatch` looks for, in order. Packages have variants for the database whose
/// SQL they are written for; of these karat's SQL is nearest to DuckDB's.
pub const DISPATCHED: [&str; 3] = ["karat", "duckdb", "default"];

/// A parsed template.
#[derive(Debug)]
pub struct Template {
    /// Its statements.
    pub body: Vec<Statement>,
    /// Names that the template may call, those of its macros included.
    pub mentions: BTreeSet<Arc<str>>,
}

/// A macro, or the body of a call block.
#[derive(Debug)]
pub struct MacroDefinition {
    /// Name; `caller` for the body of a call block.
    pub name: Arc<str>,
    /// Parameters in order.
    pub parameters: Vec<Parameter>,
    /// Statements.
    pub body: Vec<Statement>,
    /// Where its text stands.
    pub origin: Arc<Origin>,
    /// The whole macro, from its opening to its closing tag.
    pub span: Span,
    /// Names that it may call.
    pub mentions: BTreeSet<Arc<str>>,
}

impl MacroDefinition {
    /// Whether this has the name of a call block's body.
    pub fn is_call_block(&self) -> bool {
        self.name.as_ref() == "caller"
    }
}

/// A parameter of a macro.
#[derive(Debug)]
pub struct Parameter {
    /// Name.
    pub name: Arc<str>,
    /// Default, evaluated at each call that needs it.
    pub default: Option<Expression>,
}

/// A statement.
#[derive(Debug)]
pub enum Statement {
    /// Text.
    Raw(Arc<str>, Span),
    /// `{{ expression }}`.
    Emit(Expression),
    /// `{% if %}` with all its branches.
    If(Vec<(Expression, Vec<Self>)>, Vec<Self>),
    /// `{% for %}`.
    For(Arc<ForLoop>),
    /// `{% with %}`.
    With(Vec<(Target, Expression)>, Vec<Self>),
    /// `{% set x = … %}`.
    Set(Target, Expression),
    /// `{% set x %}…{% endset %}`.
    SetBlock(Target, Option<Expression>, Vec<Self>),
    /// `{% filter %}`.
    Filter(Expression, Vec<Self>),
    /// `{% macro %}` within a template.
    Macro(Arc<MacroDefinition>),
    /// `{% call %}`.
    Call(Expression, Arc<MacroDefinition>),
    /// `{% do %}`.
    Do(Expression),
    /// `{% break %}`.
    Break,
    /// `{% continue %}`.
    Continue,
}

impl Statement {
    /// What stands for the statement in a message.
    pub fn span(&self) -> Span {
        match self {
            Self::Raw(_, span) => *span,
            Self::Emit(expression)
            | Self::Set(_, expression)
            | Self::Filter(expression, _)
            | Self::Call(expression, _)
            | Self::Do(expression) => expression.span,
            Self::If(branches, _) => branches.first().map(|(condition, _)| condition.span).unwrap_or_default(),
            Self::For(for_loop) => for_loop.items.span,
            Self::With(assignments, _) => assignments.first().map(|(_, value)| value.span).unwrap_or_default(),
            Self::SetBlock(target, _, _) => match target {
                Target::Name(_, span) | Target::Attribute(_, _, span) | Target::Unpack(_, span) => *span,
            },
            Self::Macro(definition) => definition.span,
            Self::Break | Self::Continue => Span::default(),
        }
    }
}

/// A loop.
#[derive(Debug)]
pub struct ForLoop {
    /// What each item is bound to.
    pub target: Target,
    /// The items.
    pub items: Expression,
    /// Condition on the items.
    pub condition: Option<Expression>,
    /// Whether `loop(…)` may be called.
    pub recursive: bool,
    /// The body.
    pub body: Vec<Statement>,
    /// What is done if there is no item.
    pub otherwise: Vec<Statement>,
}

/// The left side of an assignment.
#[derive(Debug)]
pub enum Target {
    /// A name.
    Name(Arc<str>, Span),
    /// An attribute of a namespace.
    Attribute(Box<Expression>, Arc<str>, Span),
    /// Several.
    Unpack(Vec<Self>, Span),
}

/// An expression.
#[derive(Debug)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Debug)]
pub enum ExpressionKind {
    /// A name.
    Name(Arc<str>),
    /// A constant.
    Constant(Value),
    /// A list.
    List(Vec<Expression>),
    /// A tuple.
    Tuple(Vec<Expression>),
    /// A dict.
    Dict(Vec<(Expression, Expression)>),
    /// `not x`.
    Not(Box<Expression>),
    /// `-x`.
    Negate(Box<Expression>),
    /// `x and y`.
    And(Box<Expression>, Box<Expression>),
    /// `x or y`.
    Or(Box<Expression>, Box<Expression>),
    /// Arithmetic and concatenation.
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// A chain of comparisons.
    Compare(Box<Expression>, Vec<(Comparison, Expression)>),
    /// `x if condition else y`: condition, x, y.
    Conditional(Box<(Expression, Expression)>, Option<Box<Expression>>),
    /// `x | filter`; without a value in `{% filter %}` and `{% set x | filter %}`.
    Filter(Arc<str>, Option<Box<Expression>>, Vec<Argument>),
    /// `x is test`.
    Test(Arc<str>, Box<Expression>, Vec<Argument>),
    /// `x.name`.
    Attribute(Box<Expression>, Arc<str>),
    /// `x[key]`.
    Item(Box<Expression>, Box<Expression>),
    /// `x[start:stop:step]`.
    Slice(Box<Expression>, [Option<Box<Expression>>; 3]),
    /// `x(…)`.
    Call(Box<Expression>, Vec<Argument>),
}

/// An argument of a call.
#[derive(Debug)]
pub enum Argument {
    /// `x`.
    Positional(Expression),
    /// `name=x`.
    Keyword(Arc<str>, Expression),
    /// `*x`.
    Splat(Expression),
    /// `**x`.
    KeywordSplat(Expression),
}

/// Operators that make a new value of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `//`.
    FloorDivide,
    /// `%`.
    Remainder,
    /// `**`.
    Power,
    /// `~`.
    Concatenate,
}

impl Operator {
    /// The sign.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::Concatenate => "~",
        }
    }
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `in`.
    In,
    /// `not in`.
    NotIn,
}
