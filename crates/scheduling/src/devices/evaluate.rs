//! Evaluates a selector's expression over a device.
//!
//! Follows `github.com/google/cel-go`: `&&` and `||` take an error back when the other side decides, other errors end
//! the evaluation. Errors are in cel-go's words where those are known here.

use std::cmp::Ordering;

use cluster::device::expression::{Expression, Fold, Function};
use cluster::device::version::Version;
use cluster::device::{Attribute, Device};
use cluster::{Name, Quantity};

use super::value::{NO_OVERLOAD, Subject, Value, compare, compare_amounts, equal};

/// Steps after which an evaluation is given up; upstream counts costs of its own
/// (`CELSelectorExpressionMaxCost`, one million).
const MOST_STEPS: u32 = 1_000_000;

/// Whether an expression holds of a device.
pub(crate) fn holds(expression: &Expression, driver: &Name, device: &Device) -> Result<bool, String> {
    // All attributes are read before anything is evaluated.
    for (name, value) in &device.attributes {
        match value {
            Attribute::Unsupported => return Err(format!("attribute {name}: unsupported attribute value")),
            Attribute::Version(text) if Version::parse(text).is_none() => {
                return Err(format!("attribute {name}: parse semantic version: {text:?} is none"));
            }
            _ => {}
        }
    }
    let subject = Subject { driver, device };
    let mut run = Evaluation { subject, variables: Vec::new(), steps: 0 };
    match run.value(expression)? {
        Value::Bool(holds) => Ok(holds),
        _ => Err("the result of the expression is not a bool".to_owned()),
    }
}

struct Evaluation<'d> {
    subject: Subject<'d>,
    /// Of macros; the innermost last.
    variables: Vec<(Name, Value)>,
    steps: u32,
}

type Outcome = Result<Value, String>;

fn no_overload<T>() -> Result<T, String> {
    Err(NO_OVERLOAD.to_owned())
}

impl Evaluation<'_> {
    fn value(&mut self, of: &Expression) -> Outcome {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err("operation cancelled: actual cost limit exceeded".to_owned());
        }
        Ok(match of {
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Int(value) => Value::Int(*value),
            Expression::Uint(value) => Value::Uint(*value),
            Expression::String(value) => Value::Text(value.clone()),
            Expression::Null => Value::Null,
            Expression::List(items) => {
                Value::List(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Expression::Variable(name) => self.variable(name)?,
            Expression::Select { of, field } => self.select(of, field)?,
            Expression::Has { of, field } => {
                let of = self.value(of)?;
                Value::Bool(self.subject.find(&of, field)?.is_some())
            }
            Expression::Bind { name, value, then } => {
                let value = self.value(value)?;
                self.with(name, value, |run| run.value(then))?
            }
            Expression::Fold(fold) => self.fold(fold)?,
            Expression::Call { function, arguments } => self.call(*function, arguments)?,
            Expression::Unsupported(what) => return Err(format!("{what} is not understood here")),
        })
    }

    fn variable(&self, name: &Name) -> Outcome {
        let known = self.variables.iter().rev().find(|(known, _)| known == name);
        match known {
            Some((_, value)) => Ok(value.clone()),
            None if name == "device" => Ok(Value::Device),
            None => Err(format!("no such attribute(s): {name}")),
        }
    }

    fn select(&mut self, of: &Expression, field: &str) -> Outcome {
        let of = self.value(of)?;
        self.subject.find(&of, field)?.ok_or_else(|| format!("no such key: {field}"))
    }

    fn with(&mut self, name: &Name, value: Value, then: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        self.variables.push((name.clone(), value));
        let outcome = then(self);
        self.variables.pop();
        outcome
    }

    fn fold(&mut self, fold: &Fold) -> Outcome {
        let Value::List(items) = self.value(&fold.over)? else { return no_overload() };
        let mut so_far = self.value(&fold.first);
        for item in items {
            let before = so_far.clone();
            let goes_on = self.step(fold, before.clone(), item.clone(), &fold.condition)?;
            if goes_on == Value::Bool(false) {
                break;
            }
            so_far = self.step(fold, before, item, &fold.step);
        }
        let so_far = so_far?;
        self.with(&fold.so_far, so_far, |run| run.value(&fold.result))
    }

    fn step(&mut self, fold: &Fold, so_far: Outcome, item: Value, part: &Expression) -> Outcome {
        let so_far = so_far?;
        self.with(&fold.so_far, so_far, |run| run.with(&fold.element, item, |run| run.value(part)))
    }

    fn call(&mut self, function: Function, arguments: &[Expression]) -> Outcome {
        match (function, arguments) {
            (Function::And, parts) => return self.logic(parts, false),
            (Function::Or, parts) => return self.logic(parts, true),
            (Function::Conditional, [condition, yes, no]) => {
                return match self.value(condition)? {
                    Value::Bool(true) => self.value(yes),
                    Value::Bool(false) => self.value(no),
                    _ => no_overload(),
                };
            }
            (Function::NotStrictlyFalse, [part]) => {
                return Ok(Value::Bool(self.value(part) != Ok(Value::Bool(false))));
            }
            _ => {}
        }
        let values: Vec<Value> =
            arguments.iter().map(|argument| self.value(argument)).collect::<Result<_, _>>()?;
        match values.as_slice() {
            [only] => unary(function, only),
            [left, right] => self.binary(function, left, right),
            _ => no_overload(),
        }
    }

    /// Stops at what decides; an error counts only if nothing does.
    fn logic(&mut self, parts: &[Expression], decides: bool) -> Outcome {
        let mut failed = None;
        for part in parts {
            match self.value(part) {
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => drop(failed.get_or_insert_with(|| NO_OVERLOAD.to_owned())),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn binary(&self, function: Function, left: &Value, right: &Value) -> Outcome {
        let ordered = |holds: fn(Ordering) -> bool| match compare(left, right) {
            Some(order) => Ok(Value::Bool(holds(order))),
            None => no_overload(),
        };
        let amounts = |say: fn(Ordering) -> Value| {
            compare_amounts(left, right).map_or_else(no_overload, |order| Ok(say(order)))
        };
        match function {
            Function::Equals => Ok(Value::Bool(equal(left, right))),
            Function::NotEquals => Ok(Value::Bool(!equal(left, right))),
            Function::Less => ordered(Ordering::is_lt),
            Function::LessEquals => ordered(Ordering::is_le),
            Function::Greater => ordered(Ordering::is_gt),
            Function::GreaterEquals => ordered(Ordering::is_ge),
            Function::CompareTo => amounts(|order| Value::Int(order as i64)),
            Function::IsGreaterThan => amounts(|order| Value::Bool(order.is_gt())),
            Function::IsLessThan => amounts(|order| Value::Bool(order.is_lt())),
            Function::In => self.subject.contains(right, left).map(Value::Bool),
            Function::Index => self.index(left, right),
            Function::Add | Function::Subtract | Function::Multiply | Function::Divide | Function::Modulo => {
                arithmetic(function, left, right)
            }
            Function::StartsWith => texts(left, right, |text, part| text.starts_with(part)),
            Function::EndsWith => texts(left, right, |text, part| text.ends_with(part)),
            Function::Contains => texts(left, right, |text, part| text.contains(part)),
            _ => no_overload(),
        }
    }

    fn index(&self, of: &Value, key: &Value) -> Outcome {
        match (of, key) {
            (Value::List(items), Value::Int(place)) => {
                let item = usize::try_from(*place).ok().and_then(|place| items.get(place));
                item.cloned().ok_or_else(|| format!("index out of bounds: {place}"))
            }
            (of, Value::Text(key)) => {
                self.subject.find(of, key)?.ok_or_else(|| format!("no such key: {key}"))
            }
            _ => no_overload(),
        }
    }
}

fn texts(left: &Value, right: &Value, holds: fn(&str, &str) -> bool) -> Outcome {
    match (left, right) {
        (Value::Text(text), Value::Text(part)) => Ok(Value::Bool(holds(text, part))),
        _ => no_overload(),
    }
}

fn arithmetic(function: Function, left: &Value, right: &Value) -> Outcome {
    let overflow = || "integer overflow".to_owned();
    match (left, right) {
        (Value::Text(a), Value::Text(b)) if function == Function::Add => {
            Ok(Value::Text(format!("{a}{b}").into()))
        }
        (Value::Int(_), Value::Int(0)) if function == Function::Divide => Err("division by zero".to_owned()),
        (Value::Int(_), Value::Int(0)) if function == Function::Modulo => Err("modulus by zero".to_owned()),
        (Value::Int(a), Value::Int(b)) => {
            let result = match function {
                Function::Add => a.checked_add(*b),
                Function::Subtract => a.checked_sub(*b),
                Function::Multiply => a.checked_mul(*b),
                Function::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Value::Int).ok_or_else(overflow)
        }
        (Value::List(a), Value::List(b)) if function == Function::Add => {
            Ok(Value::List(a.iter().chain(b).cloned().collect()))
        }
        _ => no_overload(),
    }
}

fn unary(function: Function, of: &Value) -> Outcome {
    let size = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(match (function, of) {
        (Function::Not, Value::Bool(value)) => Value::Bool(!value),
        (Function::Negate, Value::Int(value)) => {
            Value::Int(value.checked_neg().ok_or_else(|| "integer overflow".to_owned())?)
        }
        (Function::Size, Value::Text(text)) => size(text.chars().count()),
        (Function::Size, Value::List(items)) => size(items.len()),
        (Function::LowerAscii, Value::Text(text)) => Value::Text(text.to_ascii_lowercase().into()),
        (Function::UpperAscii, Value::Text(text)) => Value::Text(text.to_ascii_uppercase().into()),
        (Function::Quantity, Value::Text(text)) => {
            Value::Quantity(Quantity::parse(text).map_err(|error| error.to_string())?)
        }
        (Function::IsQuantity, Value::Text(text)) => Value::Bool(Quantity::parse(text).is_ok()),
        (Function::Semver, Value::Text(text)) => {
            Value::Version(Version::parse(text).ok_or_else(|| format!("{text:?} is no semantic version"))?)
        }
        (Function::IsSemver, Value::Text(text)) => Value::Bool(Version::parse(text).is_some()),
        (Function::Sign, Value::Quantity(amount)) => Value::Int(amount.cmp(&Quantity::default()) as i64),
        (Function::IsInteger, Value::Quantity(amount)) => Value::Bool(amount.whole().is_some()),
        (Function::AsInteger, Value::Quantity(amount)) => {
            Value::Int(amount.whole().ok_or("cannot convert value to integer")?)
        }
        (Function::Major, Value::Version(version)) => part(version.core[0]),
        (Function::Minor, Value::Version(version)) => part(version.core[1]),
        (Function::Patch, Value::Version(version)) => part(version.core[2]),
        _ => return no_overload(),
    })
}

fn part(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
