//! A selector's expression, as far as it can be evaluated: CEL's own tree, with its functions known by name.
//!
//! Parsing is in `api`, evaluation in `scheduling`. What Kubernetes' CEL environment (`k8s.io/apiserver` v0.36.3
//! `pkg/cel/environment`) has beyond this stands here as [`Expression::Unsupported`].

use crate::Name;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of CEL's specification")]
pub enum Expression {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Name),
    Null,
    List(Vec<Expression>),
    /// `device`, or a variable of a macro.
    Variable(Name),
    /// `of.field`.
    Select {
        of: Box<Expression>,
        field: Name,
    },
    /// `has(of.field)`.
    Has {
        of: Box<Expression>,
        field: Name,
    },
    /// A function or operator; a method's receiver comes first.
    Call {
        function: Function,
        arguments: Vec<Expression>,
    },
    /// `cel.bind(name, value, then)`.
    Bind {
        name: Name,
        value: Box<Expression>,
        then: Box<Expression>,
    },
    /// `all`, `exists`, `exists_one`, `map`, `filter`.
    Fold(Box<Fold>),
    /// Something that cannot be evaluated here, in words.
    Unsupported(Name),
}

/// A macro over a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The list.
    pub over: Expression,
    /// What an element is called.
    pub element: Name,
    /// What the result so far is called.
    pub so_far: Name,
    /// The result before the first element.
    pub first: Expression,
    /// Whether to go on.
    pub condition: Expression,
    /// The result with one element more.
    pub step: Expression,
    /// The result of all.
    pub result: Expression,
}

impl Expression {
    /// The first part that cannot be evaluated, in words.
    pub fn unsupported(&self) -> Option<&Name> {
        match self {
            Expression::Unsupported(what) => Some(what),
            Expression::List(items) | Expression::Call { arguments: items, .. } => {
                items.iter().find_map(Expression::unsupported)
            }
            Expression::Select { of, .. } | Expression::Has { of, .. } => of.unsupported(),
            Expression::Bind { value, then, .. } => value.unsupported().or_else(|| then.unsupported()),
            Expression::Fold(fold) => [&fold.over, &fold.first, &fold.condition, &fold.step, &fold.result]
                .into_iter()
                .find_map(|part| part.unsupported()),
            _ => None,
        }
    }
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of CEL and of Kubernetes' libraries")]
pub enum Function {
    Not,
    And,
    Or,
    Conditional,
    Equals,
    NotEquals,
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
    In,
    Index,
    NotStrictlyFalse,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
    Size,
    StartsWith,
    EndsWith,
    Contains,
    LowerAscii,
    UpperAscii,
    Quantity,
    IsQuantity,
    Semver,
    IsSemver,
    CompareTo,
    IsGreaterThan,
    IsLessThan,
    Sign,
    IsInteger,
    AsInteger,
    Major,
    Minor,
    Patch,
}

impl Function {
    /// By CEL's name of the function, whether it is called on a receiver, and the number of arguments, the receiver
    /// counted.
    pub fn of(name: &str, method: bool, arguments: usize) -> Option<Function> {
        use Function::*;
        Some(match (name, method, arguments) {
            ("!_", false, 1) => Not,
            ("_&&_", false, _) => And,
            ("_||_", false, _) => Or,
            ("_?_:_", false, 3) => Conditional,
            ("_==_", false, 2) => Equals,
            ("_!=_", false, 2) => NotEquals,
            ("_<_", false, 2) => Less,
            ("_<=_", false, 2) => LessEquals,
            ("_>_", false, 2) => Greater,
            ("_>=_", false, 2) => GreaterEquals,
            ("@in", false, 2) => In,
            ("_[_]", false, 2) => Index,
            ("@not_strictly_false", false, 1) => NotStrictlyFalse,
            ("_+_", false, 2) => Add,
            ("_-_", false, 2) => Subtract,
            ("_*_", false, 2) => Multiply,
            ("_/_", false, 2) => Divide,
            ("_%_", false, 2) => Modulo,
            ("-_", false, 1) => Negate,
            ("size", _, 1) => Size,
            ("startsWith", true, 2) => StartsWith,
            ("endsWith", true, 2) => EndsWith,
            ("contains", true, 2) => Contains,
            ("lowerAscii", true, 1) => LowerAscii,
            ("upperAscii", true, 1) => UpperAscii,
            ("quantity", false, 1) => Quantity,
            ("isQuantity", false, 1) => IsQuantity,
            ("semver", false, 1) => Semver,
            ("isSemver", false, 1) => IsSemver,
            ("compareTo", true, 2) => CompareTo,
            ("isGreaterThan", true, 2) => IsGreaterThan,
            ("isLessThan", true, 2) => IsLessThan,
            ("sign", true, 1) => Sign,
            ("isInteger", true, 1) => IsInteger,
            ("asInteger", true, 1) => AsInteger,
            ("major", true, 1) => Major,
            ("minor", true, 1) => Minor,
            ("patch", true, 1) => Patch,
            _ => return None,
        })
    }
}
