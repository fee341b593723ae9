//! The log: one JSON object per line on stderr, as hclog writes it, for core to filter and show.
//!
//! Core decides what users see by `TF_LOG`; we read the same variables, so that lines that nobody sees cost
//! nothing. Traps that were paid for (facts of go-plugin's `log_entry.go`):
//!
//! - `@timestamp` must have exactly six digits after the second, or core shows the line raw.
//! - `@level`, `@message` and `@timestamp` must be strings: a number makes *core* panic.
//! - Lines over 64 KiB are chopped and shown raw.

use std::fmt::{self, Debug, Write as _};
use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The variables that set the level; the first one that is set counts.
const VARIABLES: [&str; 3] = ["TF_LOG_PROVIDER_REDIS", "TF_LOG_PROVIDER", "TF_LOG"];

/// Targets of our own crate begin with this prefix; in the log they begin with [`MODULE`].
const CRATE: &str = "terraform_provider_redis";
const MODULE: &str = "redis";

/// Targets of other crates that may log, and at TRACE only. This is a list of allowed targets, not of
/// forbidden ones: kube logs response bodies and headers (`kube_client::client`), `kube_client::config`
/// handles `exec` credentials and tokens, and the frames of a WebSocket contain passwords for `redis-cli`. h2
/// is left out because it knows only our messages to and from core, at ten lines per message.
const FOREIGN_TARGETS: [&str; 3] =
    ["kube_client::client::builder", "kube_runtime::utils", "hyper_util::client::legacy"];

/// The longest logged value, in bytes: a handful of values fit into core's 64 KiB.
const LONGEST_VALUE: usize = 8 * 1024;

/// Begins to log, if core asks for it. Later calls do nothing.
pub fn start() {
    let level = level(|name| std::env::var(name).ok());
    if level != LevelFilter::OFF {
        let layer = Hclog { level, write: to_stderr };
        // Fails if there is a logger already, which is just as good.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(layer));
    }
}

fn level(variable: impl Fn(&str) -> Option<String>) -> LevelFilter {
    let value = VARIABLES.into_iter().filter_map(variable).find(|value| !value.is_empty());
    match value.unwrap_or_default().to_ascii_uppercase().as_str() {
        "" | "OFF" => LevelFilter::OFF,
        "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        // TRACE, and JSON, which is TRACE in another form. Unknown words are TRACE too, as in core.
        _ => LevelFilter::TRACE,
    }
}

/// One write per line, so that lines of several threads do not mix.
fn to_stderr(line: &str) {
    // If stderr is closed, nobody reads it.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Whether this level and target are logged.
fn wanted(limit: LevelFilter, metadata: &Metadata<'_>) -> bool {
    let below = |prefix: &str| {
        metadata.target().strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let known =
        below(CRATE) || (limit == LevelFilter::TRACE && FOREIGN_TARGETS.iter().any(|name| below(name)));
    known && *metadata.level() <= limit
}

/// Turns events into hclog's lines.
struct Hclog<Write> {
    level: LevelFilter,
    write: Write,
}

impl<S, Write> Layer<S> for Hclog<Write>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    Write: Fn(&str) + 'static,
{
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        wanted(self.level, metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        (self.write)(&line(event.metadata(), fields, Timestamp::now()));
    }
}

fn line(metadata: &Metadata<'_>, Fields(mut entry): Fields, now: Timestamp) -> String {
    let message = entry.remove("message").unwrap_or_else(|| Json::String(String::new()));
    let module = metadata.target().replace("::", ".").replacen(CRATE, MODULE, 1);
    entry.insert("@level".into(), Json::String(level_name(*metadata.level()).into()));
    entry.insert("@message".into(), message);
    entry.insert("@module".into(), Json::String(module));
    entry.insert("@timestamp".into(), Json::String(format!("{now:.6}")));
    format!("{}\n", Json::Object(entry))
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The fields of a span or an event, all as text.
#[derive(Default)]
struct Fields(Map<String, Json>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Text) {
        // `type` can only be written `r#type`.
        let name = field.name().trim_start_matches("r#").to_owned();
        self.0.insert(name, Json::String(value.0));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, Text::of(format_args!("{value}")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, Text::of(format_args!("{value:?}")));
    }
}

/// Text of bounded length.
struct Text(String);

impl Text {
    fn of(value: fmt::Arguments<'_>) -> Text {
        let mut text = Text(String::new());
        if text.write_fmt(value).is_err() {
            text.0.push_str("… (cut)");
        }
        text
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = LONGEST_VALUE - self.0.len().min(LONGEST_VALUE);
        let fits = more.floor_char_boundary(room);
        self.0.push_str(more.get(..fits).unwrap_or_default());
        if fits < more.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error_span, info, trace, warn};

    use super::*;

    /// What `body` logs at this level, line by line.
    fn logged(level: LevelFilter, body: impl FnOnce()) -> Vec<Json> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let write = {
            let lines = lines.clone();
            move |line: &str| lines.lock().unwrap().push(serde_json::from_str(line).unwrap())
        };
        tracing::subscriber::with_default(Registry::default().with(Hclog { level, write }), body);
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn a_line_as_hclog_reads_it() {
        let lines = logged(LevelFilter::INFO, || {
            let span = error_span!("call", tf_rpc = "ReadResource", tf_resource_type = tracing::field::Empty);
            span.record("tf_resource_type", "redis_k8s_instance");
            let _entered = span.enter();
            info!(attempt = 3, r#type = ?Some("x"), "waiting for {}", "a pod");
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(line["@level"], "info");
        assert_eq!(line["@message"], "waiting for a pod");
        assert_eq!(line["@module"], "redis.plugin.logging.tests");
        assert_eq!(line["tf_rpc"], "ReadResource");
        assert_eq!(line["tf_resource_type"], "redis_k8s_instance");
        assert_eq!(line["attempt"], "3", "numbers are strings");
        assert_eq!(line["type"], "Some(\"x\")");
    }

    #[test]
    fn timestamps_have_six_digits() {
        for timestamp in ["2026-08-22T10:00:00Z", "2026-08-22T10:00:00.1234567Z"] {
            let text = format!("{:.6}", timestamp.parse::<Timestamp>().unwrap());
            assert_eq!(text.len(), "2026-08-22T10:00:00.123456Z".len(), "{text}");
        }
    }

    #[test]
    fn levels() {
        let of = |variables: &'static [(&str, &str)]| {
            level(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(of(&[]), LevelFilter::OFF);
        assert_eq!(of(&[("TF_LOG", "JSON")]), LevelFilter::TRACE);
        assert_eq!(of(&[("TF_LOG", "debug"), ("TF_LOG_PROVIDER", "")]), LevelFilter::DEBUG);
        assert_eq!(of(&[("TF_LOG", "trace"), ("TF_LOG_PROVIDER", "off")]), LevelFilter::OFF);
        assert_eq!(of(&[("TF_LOG_PROVIDER", "error"), ("TF_LOG_PROVIDER_REDIS", "warn")]), LevelFilter::WARN);

        let lines = logged(LevelFilter::WARN, || {
            info!("not");
            warn!("this");
        });
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn other_crates_speak_at_trace_only_and_never_where_secrets_are() {
        let speak = || {
            debug!(target: "kube_client::client::builder", "requesting");
            warn!(target: "kube_client::client", "a response body");
            trace!(target: "kube_client::client::auth", "a token");
            trace!(target: "tungstenite::protocol", "a frame");
            warn!(target: "terraform_provider_redis_other", "a namesake");
        };
        assert_eq!(logged(LevelFilter::DEBUG, speak), Vec::<Json>::new());
        let lines = logged(LevelFilter::TRACE, speak);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["@module"], "kube_client.client.builder");
    }

    #[test]
    fn long_values_are_cut() {
        let lines = logged(LevelFilter::INFO, || info!("{}", "ä".repeat(LONGEST_VALUE)));
        let message = lines[0]["@message"].as_str().unwrap();
        assert!(message.len() < LONGEST_VALUE + 20 && message.ends_with("ä… (cut)"));
    }
}
