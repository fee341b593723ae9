//! Reads and writes keys as an application would, with the password that the provider put into the Secret.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::case::Case;
use crate::process::Output;

/// redis-cli in a pod. The password goes in by standard input: a command line is in the API server's audit log.
const SCRIPT: &str = r#"
read -r password
[ -z "$password" ] || export REDISCLI_AUTH="$password"
exec timeout 20 redis-cli "$@""#;

pub struct RedisClient<'a> {
    case: &'a Case,
    pod: String,
    container: String,
    password: SecretString,
    /// `-h` and `-p`; empty for the pod's own Redis.
    target: Vec<String>,
}

impl<'a> RedisClient<'a> {
    /// A client of a pod of an instance, with the password of its Secret; `None`: without a password.
    pub fn new(case: &'a Case, pod: &str, secret: Option<(&str, &str)>) -> RedisClient<'a> {
        let password = secret.map_or_else(SecretString::default, |(name, key)| password(case, name, key));
        let path = format!("/api/v1/namespaces/{{namespace}}/pods/{pod}");
        let object = case.object(&path).unwrap_or_else(|| panic!("there is no pod {pod}"));
        let container = object["spec"]["containers"][0]["name"].as_str().expect("a container").to_owned();
        RedisClient { case, pod: pod.to_owned(), container, password, target: Vec::new() }
    }

    /// A client of the first pod of the resource at an address: the state says which Secret holds the password.
    pub fn of(case: &'a Case, address: &str) -> RedisClient<'a> {
        let values = case.resource(address);
        let text = |path: &str| values.pointer(path).and_then(|value| value.as_str()).map(str::to_owned);
        let pod =
            text("/status/redis_pods/0").unwrap_or_else(|| panic!("{address} has no pods in the state"));
        let secret = text("/auth_secret/name").zip(text("/auth_secret/key"));
        let secret = secret.as_ref().map(|(name, key)| (name.as_str(), key.as_str()));
        RedisClient::new(case, &pod, secret)
    }

    /// The same pod and password, but another Redis: what a name resolves to, as an application would reach it.
    pub fn at(self, host: &str, port: i64) -> RedisClient<'a> {
        let target = ["-h", host, "-p", &port.to_string()].map(str::to_owned).to_vec();
        RedisClient { target, ..self }
    }

    /// The same, but with another password.
    pub fn with_password(self, password: &str) -> RedisClient<'a> {
        RedisClient { password: SecretString::from(password), ..self }
    }

    pub fn password(&self) -> &SecretString {
        &self.password
    }

    pub fn try_command(&self, arguments: &[&str]) -> Output {
        self.run(arguments, "")
    }

    /// Many commands, one line each, over one connection; returns what redis-cli printed.
    pub fn pipe(&self, options: &[&str], commands: &str) -> String {
        let output = self.run(options, commands);
        assert!(output.succeeded(), "must succeed, but:\n{output}");
        output.stdout
    }

    fn run(&self, arguments: &[&str], commands: &str) -> Output {
        let target: Vec<&str> = self.target.iter().map(String::as_str).collect();
        let command = [&["sh", "-c", SCRIPT, "redis-cli"], target.as_slice(), arguments].concat();
        let input = format!("{}\n{commands}", self.password.expose_secret());
        let mut output = self.case.exec_with_input(&self.pod, &self.container, &command, &input);
        output.command = format!("redis-cli {} {} in {}", target.join(" "), arguments.join(" "), self.pod);
        output
    }

    /// A shell script in the pod, with the password as the first line of its standard input.
    pub fn script(&self, script: &str, arguments: &[&str]) -> Output {
        let command = [&["sh", "-c", script, "script"], arguments].concat();
        let input = format!("{}\n", self.password.expose_secret());
        self.case.exec_with_input(&self.pod, &self.container, &command, &input)
    }

    /// What redis-cli answers; an error of Redis fails the test.
    pub fn command(&self, arguments: &[&str]) -> String {
        let output = self.try_command(&[&["-e"], arguments].concat());
        assert!(output.succeeded(), "must succeed, but:\n{output}");
        // For a key that is not there redis-cli prints a line break, so without one its answer got lost on the way.
        assert!(output.stdout.ends_with('\n'), "redis-cli printed nothing:\n{output}");
        output.stdout.trim_end().to_owned()
    }

    pub fn ping(&self) -> bool {
        let output = self.try_command(&["PING"]);
        let answered = output.stdout.trim_end() == "PONG";
        if !answered {
            println!("no PONG:\n{output}");
        }
        answered
    }

    pub fn set(&self, key: &str, value: &str) {
        assert_eq!(self.command(&["SET", key, value]), "OK");
    }

    pub fn get(&self, key: &str) -> String {
        self.command(&["GET", key])
    }

    /// A value of redis.conf as it is in force.
    pub fn config(&self, directive: &str) -> String {
        self.command(&["CONFIG", "GET", directive]).lines().nth(1).unwrap_or_default().to_owned()
    }
}

impl Case {
    /// redis-cli in a pod without a password.
    pub fn redis_cli(&self, pod: &str, arguments: &[&str]) -> String {
        RedisClient::new(self, pod, None).command(arguments)
    }
}

/// The value of a Secret's key; never printed.
pub fn password(case: &Case, name: &str, key: &str) -> SecretString {
    let path = format!("/api/v1/namespaces/{{namespace}}/secrets/{name}");
    let secret = case.object(&path).unwrap_or_else(|| panic!("there is no Secret {name}"));
    let encoded = secret["data"][key].as_str().unwrap_or_else(|| panic!("Secret {name} has no key {key}"));
    let bytes = STANDARD.decode(encoded).expect("base64");
    SecretString::from(String::from_utf8(bytes).expect("a password is text"))
}
