//! CEL's text into the model's own expressions. What cannot be evaluated becomes [`Expression::Unsupported`].
//!
//! The grammar and the macros are the crate `cel`'s; nothing is evaluated here.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue};
use cel::parser::Parser;
use cluster::Name;
use cluster::device::expression::{Expression, Fold, Function};

/// `CELSelectorExpressionMaxLength`, in bytes.
const LONGEST: usize = 10 * 1024;

/// Parses an expression; the error is in the parser's words.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    if text.len() > LONGEST {
        return Err(format!("may not be longer than {LONGEST} bytes"));
    }
    let parsed = Parser::new().enable_optional_syntax(true).parse(text);
    let tree = parsed.map_err(|errors| {
        let first = errors.errors.first().map(|error| error.msg.clone());
        first.unwrap_or_else(|| "it is no expression".to_owned())
    })?;
    Ok(expression(&tree.expr))
}

fn boxed(of: &IdedExpr) -> Box<Expression> {
    Box::new(expression(&of.expr))
}

fn unsupported(what: impl Into<Name>) -> Expression {
    Expression::Unsupported(what.into())
}

fn expression(of: &Expr) -> Expression {
    match of {
        Expr::Literal(literal) => self::literal(literal),
        Expr::Ident(name) => Expression::Variable(name.as_str().into()),
        Expr::Select(select) => {
            let (of, field) = (boxed(&select.operand), Name::from(select.field.as_str()));
            if select.test { Expression::Has { of, field } } else { Expression::Select { of, field } }
        }
        Expr::List(list) if list.optional_indices.is_empty() => {
            Expression::List(list.elements.iter().map(|item| expression(&item.expr)).collect())
        }
        Expr::Call(call) => self::call(call),
        Expr::Comprehension(fold) => self::fold(fold),
        Expr::List(_) => unsupported("a list with optional items"),
        Expr::Map(_) => unsupported("a map"),
        Expr::Struct(_) => unsupported("a structure"),
        Expr::Unspecified => unsupported("an empty expression"),
    }
}

fn literal(of: &LiteralValue) -> Expression {
    match of {
        LiteralValue::Boolean(value) => Expression::Bool(*value.inner()),
        LiteralValue::Int(value) => Expression::Int(*value.inner()),
        LiteralValue::UInt(value) => Expression::Uint(*value.inner()),
        LiteralValue::String(value) => Expression::String(value.inner().into()),
        LiteralValue::Null => Expression::Null,
        LiteralValue::Double(_) => unsupported("a number with a fraction"),
        LiteralValue::Bytes(_) => unsupported("a sequence of bytes"),
    }
}

fn call(of: &CallExpr) -> Expression {
    let is_cel = |target: &IdedExpr| matches!(&target.expr, Expr::Ident(name) if name == "cel");
    if let (Some(target), "bind", [name, value, then]) = (&of.target, of.func_name.as_str(), &of.args[..])
        && is_cel(target)
        && let Expr::Ident(name) = &name.expr
    {
        return Expression::Bind { name: name.as_str().into(), value: boxed(value), then: boxed(then) };
    }
    let arguments = of.target.iter().map(|target| &**target).chain(&of.args);
    let arguments: Vec<Expression> = arguments.map(|argument| expression(&argument.expr)).collect();
    match Function::of(&of.func_name, of.target.is_some(), arguments.len()) {
        Some(function) => Expression::Call { function, arguments },
        None => unsupported(format!("`{}`", of.func_name)),
    }
}

fn fold(of: &ComprehensionExpr) -> Expression {
    if of.iter_var2.is_some() {
        return unsupported("a macro with two variables");
    }
    let part = |of: &IdedExpr| expression(&of.expr);
    Expression::Fold(Box::new(Fold {
        over: part(&of.iter_range),
        element: of.iter_var.as_str().into(),
        so_far: of.accu_var.as_str().into(),
        first: part(&of.accu_init),
        condition: part(&of.loop_cond),
        step: part(&of.loop_step),
        result: part(&of.result),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_devices_is_understood() {
        for text in [
            "device.driver == 'gpu.nvidia.com'",
            "device.attributes['gpu.nvidia.com'].type == 'gpu' && !(device.attributes['gpu.nvidia.com'].index in [1, 2])",
            "device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('40Gi')) >= 0",
            "has(device.attributes['a'].b) ? device.attributes['a'].b : false",
            "cel.bind(dra, device.attributes['a'], dra.one && dra.two)",
            "['a', 'b'].exists(name, name == device.attributes['a'].name)",
            "device.attributes['a'].version.isGreaterThan(semver('1.2.3'))",
        ] {
            assert_eq!(parse(text).unwrap().unsupported(), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_is_named() {
        let unsupported = |text| parse(text).unwrap().unsupported().unwrap().to_string();
        assert_eq!(unsupported("device.attributes['a'].b.matches('^x')"), "`matches`");
        assert_eq!(unsupported("1.5 < 2.0"), "a number with a fraction");
        assert!(parse("device.driver ==").is_err());
        assert!(parse(&"(".repeat(20_000)).is_err());
        assert!(parse(&format!("{}1{}", "(".repeat(2_000), ")".repeat(2_000))).is_err());
    }
}
