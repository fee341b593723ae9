//! A cluster that is reached through an HTTP proxy, named in the provider block: every request goes through it, the exec of
//! the last probe, too, and nothing around it.
use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::case::Case;
use crate::cluster;
use crate::ending::says;
use crate::instance::{ADDRESS, Configuration};

/// A proxy that knows CONNECT alone, and keeps whom it was asked for.
struct Tunnels {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    fn start() -> Tunnels {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        // It ends with the test binary.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let asked = kept.clone();
                std::thread::spawn(move || tunnel(client, &asked));
            }
        });
        Tunnels { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn tunnel(client: TcpStream, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let head: Vec<String> =
        reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let line = head.first().cloned().unwrap_or_default();
    asked.lock().unwrap().push(line.clone());
    let target = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(server) = target.and_then(|target| TcpStream::connect(target).ok()) else { return };
    let (mut to_client, mut from_server) = (client, server.try_clone().unwrap());
    to_client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    std::thread::spawn(move || {
        let mut to_server = server;
        let _ = copy(&mut reader, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let _ = copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
}

for_terraform! {
    fn every_request_goes_through_the_proxy_of_the_provider_block(cli: Cli) {
        let case = Case::new(cli, "tunnel");
        let tunnels = Tunnels::start();
        let through = |proxy: &str| {
            let config = cluster::kubeconfig_path();
            let block = format!("provider \"redis\" {{\n  config_path = {config:?}\n  proxy_url = \"http://{proxy}\"\n}}");
            Configuration::small().provider(&block).text()
        };
        case.write("main.tf", &through(&tunnels.address));
        case.apply();
        assert_eq!(case.resource(ADDRESS)["status"]["ready"], true);
        case.plan_is_empty();
        let asked = tunnels.asked();
        assert!(!asked.is_empty() && asked.iter().all(|line| line.starts_with("CONNECT ")), "{asked:?}");

        // Where no proxy answers, the cluster is not asked without one.
        case.write("main.tf", &through("127.0.0.1:1"));
        let output = case.plan_fails();
        says(&case, &output, &["127.0.0.1:1"]);
        assert!(!case.resource(ADDRESS).is_null());
        case.write("main.tf", &through(&tunnels.address));
        case.destroy();
        case.assert_nothing_left();
    }
}
