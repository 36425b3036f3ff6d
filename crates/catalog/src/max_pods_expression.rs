//! `maxPodsExpression`: the number of pods as an expression over the type.
//!
//! nodeadm (`nodeadm/internal/kubelet/eni_max_pods.go`) and Karpenter's gate `NodeClassCEL` evaluate CEL. This is
//! CEL's integer and boolean part: literals, the five variables, `+ - * / %`, comparisons, `! && ||`, `? :` and
//! parentheses. Anything else (strings, functions) is an error that says so, never a guess.

use crate::InstanceType;
use crate::max_pods::interface_limited;

/// How deeply an expression may nest.
const MAX_DEPTH: u32 = 64;

/// Why an expression gives no number of pods; nodeadm then uses the formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpressionError {
    /// Not an expression, or CEL beyond what is evaluated here: where, in bytes.
    Unreadable(usize),
    /// Division by zero, overflow, or an operator on the wrong kind of value.
    Undefined,
    /// A boolean, zero, a negative number or one beyond 2³¹−1.
    NotPositive,
}

/// What an expression can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variables {
    /// `default_enis`: interfaces of the default card.
    pub default_enis: i64,
    /// `ips_per_eni`: IPv4 addresses of an interface.
    pub ips_per_eni: i64,
    /// `max_pods`: what the formula gives.
    pub max_pods: i64,
    /// `vcpus`.
    pub vcpus: i64,
    /// `memory_mib`.
    pub memory_mib: i64,
}

impl Variables {
    /// The variables of a type.
    pub fn of(it: &InstanceType) -> Variables {
        Variables {
            default_enis: it.default_card_interfaces.into(),
            ips_per_eni: it.ipv4_per_interface.into(),
            max_pods: interface_limited(it, 0).into(),
            vcpus: it.vcpus.into(),
            memory_mib: i64::try_from(it.memory_mib).unwrap_or(i64::MAX),
        }
    }

    fn get(&self, name: &str) -> Option<i64> {
        Some(match name {
            "default_enis" => self.default_enis,
            "ips_per_eni" => self.ips_per_eni,
            "max_pods" => self.max_pods,
            "vcpus" => self.vcpus,
            "memory_mib" => self.memory_mib,
            _ => return None,
        })
    }
}

/// The number of pods that `expression` gives.
pub fn evaluate(expression: &str, variables: &Variables) -> Result<u32, ExpressionError> {
    let mut parser = Parser { text: expression, at: 0, depth: 0, variables };
    let value = parser.choice()?;
    parser.skip_blanks();
    if parser.at != expression.len() {
        return Err(ExpressionError::Unreadable(parser.at));
    }
    match value {
        Value::Int(pods @ 1..=0x7fff_ffff) => u32::try_from(pods).map_err(|_| ExpressionError::NotPositive),
        _ => Err(ExpressionError::NotPositive),
    }
}

/// A value while evaluating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Int(i64),
    Bool(bool),
}

impl Value {
    fn int(self) -> Result<i64, ExpressionError> {
        if let Value::Int(number) = self { Ok(number) } else { Err(ExpressionError::Undefined) }
    }

    fn bool(self) -> Result<bool, ExpressionError> {
        if let Value::Bool(truth) = self { Ok(truth) } else { Err(ExpressionError::Undefined) }
    }
}

/// Binary operators, loosest first; within a level the longer spelling first.
const LEVELS: [&[&str]; 5] =
    [&["||"], &["&&"], &["<=", ">=", "==", "!=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

/// A recursive-descent evaluator.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    variables: &'a Variables,
}

impl Parser<'_> {
    /// `condition ? a : b`, or what binds tighter.
    fn choice(&mut self) -> Result<Value, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExpressionError::Unreadable(self.at));
        }
        let mut value = self.binary(0)?;
        if self.take("?") {
            let then = self.choice()?;
            if !self.take(":") {
                return Err(ExpressionError::Unreadable(self.at));
            }
            let otherwise = self.choice()?;
            value = if value.bool()? { then } else { otherwise };
        }
        self.depth -= 1;
        Ok(value)
    }

    /// Operators of `level` and tighter, from left to right.
    fn binary(&mut self, level: usize) -> Result<Value, ExpressionError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let right = self.binary(level + 1)?;
            left = apply(operator, left, right)?;
        }
        Ok(left)
    }

    /// `-x`, `!x`, `(x)`, a number or a variable.
    fn unary(&mut self) -> Result<Value, ExpressionError> {
        let mut negations = Vec::new();
        while let Some(operator) = ["-", "!"].into_iter().find(|operator| self.take(operator)) {
            negations.push(operator);
        }
        let mut value = self.atom()?;
        while let Some(operator) = negations.pop() {
            value = match operator {
                "-" => Value::Int(value.int()?.checked_neg().ok_or(ExpressionError::Undefined)?),
                _ => Value::Bool(!value.bool()?),
            };
        }
        Ok(value)
    }

    fn atom(&mut self) -> Result<Value, ExpressionError> {
        if self.take("(") {
            let value = self.choice()?;
            return if self.take(")") { Ok(value) } else { Err(ExpressionError::Unreadable(self.at)) };
        }
        let start = self.at;
        let rest = &self.text[start..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = &rest[..length];
        self.at += length;
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => word
                .parse()
                .ok()
                .or_else(|| self.variables.get(word))
                .map(Value::Int)
                .ok_or(ExpressionError::Unreadable(start)),
        }
    }

    /// Skips blanks and takes `token` if it is next.
    fn take(&mut self, token: &str) -> bool {
        self.skip_blanks();
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
    }
}

/// One binary operator; both sides are evaluated already.
fn apply(operator: &str, left: Value, right: Value) -> Result<Value, ExpressionError> {
    if let ("||" | "&&", Ok(a), Ok(b)) = (operator, left.bool(), right.bool()) {
        return Ok(Value::Bool(if operator == "||" { a || b } else { a && b }));
    }
    let (a, b) = (left.int()?, right.int()?);
    let number = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        "%" => a.checked_rem(b),
        "<" => return Ok(Value::Bool(a < b)),
        "<=" => return Ok(Value::Bool(a <= b)),
        ">" => return Ok(Value::Bool(a > b)),
        ">=" => return Ok(Value::Bool(a >= b)),
        "==" => return Ok(Value::Bool(a == b)),
        "!=" => return Ok(Value::Bool(a != b)),
        _ => None,
    };
    number.map(Value::Int).ok_or(ExpressionError::Undefined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;
    use proptest::prelude::*;

    fn with(enis: i64, ips: i64, expression: &str) -> Result<u32, ExpressionError> {
        let max_pods = enis * (ips - 1) + 2;
        evaluate(
            expression,
            &Variables { default_enis: enis, ips_per_eni: ips, max_pods, vcpus: 2, memory_mib: 8192 },
        )
    }

    #[test]
    fn nodeadms_own_cases() {
        assert_eq!(with(3, 6, "(default_enis*((ips_per_eni-1)*16))+2"), Ok(242));
        assert_eq!(with(3, 6, "((default_enis-1)*(ips_per_eni-1))+2"), Ok(12));
        assert_eq!(with(4, 15, "((default_enis-1)*(ips_per_eni-1))+2"), Ok(44));
        assert_eq!(with(4, 15, "max_pods+2"), Ok(60));
        assert_eq!(with(4, 15, "99 - fake"), Err(ExpressionError::Unreadable(5)));
        for invalid in ["0", "-1", "true", "3000000000"] {
            assert_eq!(with(4, 15, invalid), Err(ExpressionError::NotPositive), "{invalid}");
        }
    }

    #[test]
    fn precedence_and_choice() {
        assert_eq!(with(3, 10, "1 + 2 * 3 - 4 / 2"), Ok(5));
        assert_eq!(with(3, 10, "20 - 5 - 5"), Ok(10));
        assert_eq!(with(3, 10, "vcpus < 30 && max_pods > 110 ? 110 : max_pods"), Ok(29));
        assert_eq!(with(3, 10, "vcpus < 30 ? (memory_mib >= 8192 ? 110 : 50) : 250"), Ok(110));
        assert_eq!(with(3, 10, "!(vcpus == 2) ? 1 : --7"), Ok(7));
    }

    #[test]
    fn what_has_no_value() {
        for undefined in ["1 / 0", "9223372036854775807 + 1", "true + 1", "1 && true", "1 ? 2 : 3"] {
            assert_eq!(with(3, 10, undefined), Err(ExpressionError::Undefined), "{undefined}");
        }
        for unreadable in ["", "1 +", "(1", "1 2", "instance_type == 'a'", "math.greatest(1, 2)", "1 ? 2"] {
            assert!(matches!(with(3, 10, unreadable), Err(ExpressionError::Unreadable(_))), "{unreadable}");
        }
    }

    #[test]
    fn variables_of_a_type() {
        let it = Catalog::embedded().instance_type("m7g.large").unwrap();
        assert_eq!(evaluate("max_pods", &Variables::of(it)), Ok(29));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let _ = with(3, 10, &text);
        }

        #[test]
        fn nesting_is_bounded(depth in 0usize..5000) {
            let _ = with(3, 10, &"(".repeat(depth));
            let _ = with(3, 10, &"1 ? 2 : ".repeat(depth));
        }
    }
}
