//! `{{ }}` in strings and bare expressions in conditions: minijinja, everywhere the same.
//!
//! Unknown names are errors when a file is checked, not empty strings when a step runs.

use std::sync::{Arc, LazyLock};

use minijinja::{Environment, Expression, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;

/// Text that may contain `{{ expressions }}`; known to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: Arc<str>,
    /// What it gives, where nothing is to be filled in.
    plain: Option<Arc<str>>,
    /// Where the whole text is one expression.
    expression: Option<Compiled>,
}

/// A bare expression that is true or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    source: Arc<str>,
    expression: Compiled,
}

/// An expression, compiled once for all the times it is evaluated.
#[derive(Clone)]
struct Compiled(Arc<Expression<'static, 'static>>);

impl Compiled {
    fn of(source: &str) -> Result<Self, TemplateError> {
        Ok(Self(Arc::new(ENVIRONMENT.compile_expression_owned(source.to_owned())?)))
    }

    fn value(&self, source: &str, scope: &impl Serialize) -> Result<minijinja::Value, TemplateError> {
        let value = self.0.eval(values(scope))?;
        if value.is_undefined() {
            return Err(TemplateError { message: format!("`{source}` is not known") });
        }
        Ok(value)
    }
}

/// It follows from its source, which is compared.
impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Compiled {}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compiled")
    }
}

/// Why a template or condition cannot be compiled or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong, without the place.
    pub message: String,
}

impl From<minijinja::Error> for TemplateError {
    fn from(error: minijinja::Error) -> Self {
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        Self { message: format!("{}{detail}", error.kind()) }
    }
}

/// What expressions may refer to. The same names everywhere.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scope {
    /// The person, field by field (`person.display_name`, `person.manager.email`, …); null for other subjects.
    pub person: Value,
    /// The frozen inputs.
    pub inputs: Value,
    /// The account of the step, where it has one (`account.id`, `account.login`, `account.system`).
    pub account: Value,
    /// The run (`run.id`, `run.started`, `run.workflow`).
    pub run: Value,
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(20_000));
    environment
});

fn values(scope: &impl Serialize) -> minijinja::Value {
    minijinja::Value::from(minijinja::value::Serde(scope))
}

fn sorted(names: std::collections::HashSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names
}

/// Whether expressions know a `filter` or `test` of this name.
pub(super) fn is_known(kind: &str, name: &str) -> bool {
    ENVIRONMENT
        .compile_expression(&format!("name is {kind}"))
        .and_then(|expression| expression.eval(minijinja::context! { name }))
        .is_ok_and(|known| known.is_true())
}

impl Template {
    /// Compiles `source`.
    ///
    /// # Errors
    /// When it is not a valid template.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let template = ENVIRONMENT.template_from_str(source)?;
        let plain = (!source.contains('{')).then(|| template.render(())).transpose()?.map(Arc::from);
        Ok(Self { source: source.into(), plain, expression: single_expression(source).map(Compiled::of).transpose()? })
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names it refers to, with their path (`person.manager.email`), sorted.
    pub fn names(&self) -> Vec<String> {
        ENVIRONMENT.template_from_str(&self.source).map(|it| sorted(it.undeclared_variables(true))).unwrap_or_default()
    }

    /// Whether there is anything to fill in.
    pub fn is_constant(&self) -> bool {
        !self.source.contains("{{")
    }

    /// Fills the template. Where the whole text is one `{{ expression }}`, the value keeps its type (null, number,
    /// boolean, list); everything else gives text.
    ///
    /// # Errors
    /// When a name is unknown or an expression fails.
    pub fn render(&self, scope: &impl Serialize) -> Result<Value, TemplateError> {
        if let (Some(expression), Some(source)) = (&self.expression, single_expression(&self.source)) {
            let value = expression.value(source, scope)?;
            return serde_json::to_value(&value).map_err(|error| TemplateError { message: error.to_string() });
        }
        if let Some(plain) = &self.plain {
            return Ok(Value::String(plain.as_ref().to_owned()));
        }
        Ok(Value::String(ENVIRONMENT.template_from_str(&self.source)?.render(values(scope))?))
    }

    /// Fills the template as text; null gives the empty string.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_text(&self, scope: &impl Serialize) -> Result<String, TemplateError> {
        Ok(match self.render(scope)? {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

/// What stands in a text that is one `{{ expression }}`.
fn single_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
    (!inner.contains("{{") && !inner.contains("}}")).then(|| inner.trim())
}

impl Condition {
    /// Compiles `source`.
    ///
    /// # Errors
    /// When it is not a valid expression.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { source: source.into(), expression: Compiled::of(source)? })
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names it refers to, with their path (`inputs.redirect`), sorted.
    pub fn names(&self) -> Vec<String> {
        sorted(self.expression.0.undeclared_variables(true))
    }

    /// Whether it holds: null, false, zero and empty do not.
    ///
    /// # Errors
    /// When a name is unknown or the expression fails.
    pub fn holds(&self, scope: &impl Serialize) -> Result<bool, TemplateError> {
        Ok(self.expression.value(&self.source, scope)?.is_true())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        Scope {
            person: json!({ "display_name": "Ada", "manager": { "email": "grace@example.com" }, "department": null }),
            inputs: json!({ "redirect": null, "count": 3 }),
            ..Scope::default()
        }
    }

    fn render(source: &str) -> Result<Value, TemplateError> {
        Template::parse(source).unwrap().render(&scope())
    }

    #[test]
    fn a_single_expression_keeps_its_type_and_everything_else_is_text() {
        assert_eq!(render("{{ inputs.count }}"), Ok(json!(3)));
        assert_eq!(render("{{ person.manager }}"), Ok(json!({ "email": "grace@example.com" })));
        assert_eq!(render("{{- inputs.redirect -}}"), Ok(Value::Null));
        assert_eq!(render("{{ -1 }}"), Ok(json!(-1)));
        assert_eq!(render("{{ person.display_name }} has left"), Ok(json!("Ada has left")));
        assert_eq!(render("{{ inputs.count }}{{ inputs.count }}"), Ok(json!("33")));
        assert_eq!(Template::parse("{{ person.department }}").unwrap().render_text(&scope()), Ok(String::new()));
    }

    #[test]
    fn text_without_an_expression_is_what_the_engine_gives() {
        for text in ["1 GB", "", "two\nlines\n", "a line\r\n", "50 % of it }} #}"] {
            let engine = ENVIRONMENT.template_from_str(text).unwrap().render(()).unwrap();
            assert_eq!(render(text), Ok(json!(engine)), "{text:?}");
        }
        assert_eq!(render("{# a comment #}"), Ok(json!("")));
        assert_eq!(render("{% if true %}yes{% endif %}"), Ok(json!("yes")));
    }

    #[test]
    fn unknown_names_are_errors_not_empty_strings() {
        assert!(render("{{ person.nickname }}").is_err());
        assert!(render("Hello {{ person.nickname }}").is_err());
        assert!(Condition::parse("inputs.nothing").unwrap().holds(&scope()).is_err());
    }

    #[test]
    fn conditions_hold_for_what_is_there() {
        let holds = |source: &str| Condition::parse(source).unwrap().holds(&scope());
        assert_eq!(holds("inputs.redirect"), Ok(false));
        assert_eq!(holds("inputs.redirect is none and inputs.count > 2"), Ok(true));
        assert!(Condition::parse("inputs.redirect ==").is_err());
    }

    #[test]
    fn endless_work_runs_out_of_fuel() {
        assert!(render("{{ range(10000) | map('string') | join('') ~ range(10000) | sum }}{% for a in range(10000) %}{{ a }}{% endfor %}").is_err());
    }

    #[test]
    fn the_names_it_refers_to_come_with_their_path() {
        let template = Template::parse("{{ person.manager.email | default(inputs.count) }}").unwrap();
        assert_eq!(template.names(), ["inputs.count", "person.manager.email"]);
    }
}
