//! Replies as real servers gave them (`replies/`), read by the parsers; and that no input makes them panic.

use super::*;

const VERSIONS: [&str; 2] = ["6.2", "7.0"];

/// A reply that was recorded.
fn recorded(version: &str, name: &str) -> Reply {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/redis/talk/replies");
    let file = folder.join(format!("redis-{version}")).join(format!("{name}.resp"));
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (reply, taken) = decode(&bytes).unwrap().unwrap();
    assert_eq!(taken, bytes.len(), "{}", file.display());
    reply
}

fn loopback(port: u16) -> Address {
    Address { host: "127.0.0.1".to_owned(), port }
}

fn bulk(text: &str) -> Reply {
    Reply::Bytes(text.as_bytes().to_vec())
}

#[test]
fn replication_of_a_master() {
    for version in VERSIONS {
        for name in ["info-replication-master", "info-replication-master-resp3"] {
            let found = replication(&recorded(version, name)).unwrap();
            assert_eq!((found.master, found.offset, found.former), (None, 494, None));
            assert_eq!(found.history.len(), 40);
            assert_eq!(found.failover_state.as_deref(), Some("no-failover"));
            let ports: Vec<u16> = found.replicas.iter().map(|replica| replica.address.port).collect();
            assert_eq!(ports, [7602, 7603]);
            let first = &found.replicas[0];
            assert!(first.is_online() && first.offset == 107 && first.lag <= 1, "{first:?}");
        }
    }
}

#[test]
fn replication_of_a_replica() {
    for version in VERSIONS {
        let found = replication(&recorded(version, "info-replication-replica")).unwrap();
        let link = found.master.unwrap();
        assert_eq!((link.address, link.is_up, link.is_syncing), (loopback(7601), true, false));
        assert_eq!((found.offset, link.priority, found.replicas.len()), (494, Some(100), 0));
        assert!(link.last_io_seconds_ago.is_some());
    }
}

#[test]
fn a_promoted_replica_knows_the_history_it_comes_from() {
    for version in VERSIONS {
        let before = replication(&recorded(version, "info-replication-master")).unwrap();
        let found = replication(&recorded(version, "info-replication-promoted")).unwrap();
        let former = found.former.unwrap();
        assert_eq!((&former.history, found.master), (&before.history, None));
        assert!(former.until > before.offset && found.history != before.history);
    }
}

#[test]
fn a_link_that_is_down_or_loading() {
    // Redis 6.2 had noticed that its master was gone, 7.0 had not yet.
    let found = replication(&recorded("6.2", "info-replication-link-down")).unwrap();
    let link = found.master.unwrap();
    assert_eq!((link.is_up, link.was_up, link.last_io_seconds_ago), (false, true, None));
    assert!(
        matches!(role(&recorded("6.2", "role-link-down")), Ok(Role::Replica { state, .. }) if state != "connected")
    );
    let text = "role:slave\r\nmaster_host:redis-0.redis.svc\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
                master_last_io_seconds_ago:-1\r\nmaster_sync_in_progress:1\r\nslave_repl_offset:1\r\nmaster_repl_offset:70\r\nmaster_replid:a\r\n\
                master_link_down_since_seconds:-1\r\n\
                slave0:ip=fd00::1,port=6379,state=wait_bgsave,offset=0,lag=-1\r\n";
    let found = replication(&bulk(text)).unwrap();
    let link = found.master.unwrap();
    assert!(link.is_syncing && !link.was_up);
    assert_eq!(found.offset, 70, "1 is no offset, but says that there is no master");
    assert_eq!(found.replicas[0].address.to_string(), "[fd00::1]:6379");
    assert!(!found.replicas[0].is_online());
}

#[test]
fn roles() {
    for version in VERSIONS {
        let replicas = vec![(loopback(7602), 107), (loopback(7603), 107)];
        let master = Role::Master { offset: 494, replicas };
        assert_eq!(role(&recorded(version, "role-master")), Ok(master));
        let Ok(Role::Replica { master, state, offset }) = role(&recorded(version, "role-replica")) else {
            panic!("a replica")
        };
        assert_eq!((master, state.as_str(), offset), (loopback(7601), "connected", 494));
    }
    let sentinel = Reply::List(vec![bulk("sentinel"), Reply::List(vec![bulk("cache")])]);
    assert_eq!(role(&sentinel), Ok(Role::Sentinel { groups: vec!["cache".to_owned()] }));
    for wrong in [Reply::Null, Reply::List(vec![]), Reply::List(vec![bulk("master")]), bulk("master")] {
        assert!(role(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_the_sentinels_know() {
    for version in VERSIONS {
        for name in ["sentinel-master", "sentinel-master-resp3"] {
            let found = master(&recorded(version, name)).unwrap();
            assert_eq!((found.name.as_str(), &found.address), ("cache", &loopback(7601)));
            assert!(found.flags.are_only("master") && !found.flags.is_down());
            assert_eq!((found.replicas, found.other_sentinels, found.quorum), (2, 2, 2));
            assert_eq!((found.down_after_milliseconds, found.failover_timeout), (1000, 180_000));
            assert_eq!((found.config_epoch, found.parallel_syncs), (0, 1));
        }
        let all = Reply::List(vec![recorded(version, "sentinel-master")]);
        assert_eq!(masters(&all).unwrap().len(), 1);
        let found = replicas(&recorded(version, "sentinel-replicas")).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|replica| replica.flags.are_only("slave") && replica.is_linked));
        assert!(
            found.iter().all(|replica| replica.master == Some(loopback(7601)) && replica.priority == 100)
        );
        let found = replicas(&recorded(version, "sentinel-replicas-down")).unwrap();
        // A second after they were stopped: one is called down, the other only does not answer yet.
        assert!(found.iter().any(|replica| replica.flags.is_down()), "{found:?}");
        assert!(found.iter().all(|replica| replica.flags.has("disconnected")), "{found:?}");
        let found = sentinels(&recorded(version, "sentinel-sentinels")).unwrap();
        let mut ports: Vec<u16> = found.iter().map(|peer| peer.address.port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [7612, 7613]);
        assert!(found.iter().all(|peer| peer.run_id.len() == 40 && peer.flags.has("sentinel")), "{found:?}");
        // Those of 7.0 had only just met.
        let linked = found.iter().all(|peer| peer.flags.are_only("sentinel"));
        assert_eq!(linked, version == "6.2", "{found:?}");
    }
}

#[test]
fn where_the_master_is_and_whether_it_could_be_replaced() {
    for version in VERSIONS {
        assert_eq!(master_address(&recorded(version, "sentinel-address")), Ok(Some(loopback(7601))));
        assert_eq!(master_address(&recorded(version, "sentinel-address-unknown")), Ok(None));
        assert_eq!(quorum(&recorded(version, "sentinel-ckquorum")), Ok(Quorum::Reached { usable: 3 }));
        let missed = quorum(&recorded(version, "sentinel-ckquorum-missed")).unwrap();
        assert!(matches!(missed, Quorum::Missed(words) if words.starts_with("1 usable Sentinels.")));
        assert!(quorum(&recorded(version, "sentinel-unknown")).is_err());
    }
}

#[test]
fn what_a_node_knows_of_its_cluster() {
    for version in VERSIONS {
        let found = cluster_info(&recorded(version, "cluster-info")).unwrap();
        assert_eq!((found.is_ok, found.slots_assigned, found.known_nodes, found.size), (false, 16_383, 4, 3));
        let alone = cluster_info(&recorded(version, "cluster-info-alone")).unwrap();
        assert_eq!((alone.slots_assigned, alone.known_nodes), (0, 1));

        let nodes = cluster_nodes(&recorded(version, "cluster-nodes")).unwrap();
        let myself = nodes.iter().find(|node| node.has("myself")).unwrap();
        assert_eq!((myself.slot_count(), myself.moving.len(), myself.slots.len()), (5_460, 1, 2));
        assert_eq!(myself.address, Some(loopback(7621)));
        let name = (version == "7.0").then_some("shard-7621.example.org");
        assert_eq!(myself.hostname.as_deref(), name);
        let replica = nodes.iter().find(|node| !node.is_master()).unwrap();
        assert_eq!((replica.master.as_ref(), replica.slot_count()), (Some(&myself.id), 0));
        assert!(nodes.iter().all(|node| node.link == Link::Connected && !node.is_down()));
        let alone = cluster_nodes(&recorded(version, "cluster-nodes-alone")).unwrap();
        assert_eq!((alone.len(), &alone[0].address), (1, &None));
    }
}

#[test]
fn lines_of_nodes_that_were_not_recorded() {
    let line = "a 10.0.0.1:6379@16379,,shard-id=0123 master,fail? - 1 2 3 disconnected 5 7-9\n\
                b :0@0 slave,noaddr,fail a 1 2 3 disconnected\nc fd00::1:6379@16379 noflags - 1 2 3 connected";
    let nodes = cluster_nodes(&bulk(line)).unwrap();
    assert_eq!((nodes[0].hostname.as_ref(), nodes[0].is_down(), nodes[0].slot_count()), (None, true, 4));
    assert_eq!((nodes[1].address.as_ref(), nodes[1].is_down()), (None, true));
    assert_eq!(nodes[2].address, Some(Address { host: "fd00::1".to_owned(), port: 6379 }));
    assert!(nodes[2].flags.is_empty());
    for wrong in [
        "a",
        "a b c d e f g h",
        "a 1.1.1.1:x@1 master - 1 2 3 connected",
        "a 1.1.1.1:1@1 master - 1 2 3 connected x",
    ] {
        assert!(cluster_nodes(&bulk(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn whether_data_is_still_being_loaded() {
    for version in VERSIONS {
        let found = persistence(&recorded(version, "info-persistence")).unwrap();
        assert!(!found.loading && !found.saving && found.last_save_succeeded && !found.append_only);
        assert!(found.last_append_succeeded && found.loading_eta_seconds.is_none());
    }
    let text = "loading:1\r\nloading_eta_seconds:7\r\nrdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:err\r\n\
                rdb_last_save_time:1700000000\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:1\r\n\
                aof_last_bgrewrite_status:ok\r\naof_enabled:1\r\naof_last_write_status:err\r\n";
    let found = persistence(&bulk(text)).unwrap();
    assert!(found.loading && found.loading_eta_seconds == Some(7) && !found.last_save_succeeded);
    assert!(
        found.rewrite_scheduled
            && !found.rewriting
            && found.last_rewrite_succeeded
            && found.saved_at == 1_700_000_000
    );
}

#[test]
fn what_is_missing_is_named_and_no_value_is_quoted() {
    let error =
        replication(&bulk("role:master\r\nmaster_repl_offset:hunter2\r\nmaster_replid:a\r\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the answer to INFO replication has no number in its field master_repl_offset"
    );
    assert_eq!(
        persistence(&bulk("")).unwrap_err().to_string(),
        "the answer to INFO persistence has no field loading"
    );
    let error = master(&Reply::Error("ERR No such master with that name".to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "the answer to SENTINEL MASTER is an error, not a table");
}

#[test]
fn secrets_of_a_command_are_sent_and_never_shown() {
    let secret = secrecy::SecretString::from("hunter2");
    let mut bytes = Vec::new();
    Command::add_password("default", &secret).encode(&mut bytes);
    assert_eq!(bytes, b"*4\r\n$3\r\nACL\r\n$7\r\nSETUSER\r\n$7\r\ndefault\r\n$8\r\n>hunter2\r\n");
    for (command, shown) in [
        (Command::auth(&secret), "AUTH (redacted)"),
        (Command::remove_password("default", &secret), "ACL SETUSER default <(redacted)"),
        (Command::sentinel_set_password("cache", &secret), "SENTINEL SET cache auth-pass (redacted)"),
    ] {
        assert_eq!(
            (command.to_string().as_str(), format!("{command:?}")),
            (shown, format!("Command({shown})"))
        );
        for said in [
            "ERR unknown command 'AUTH', with args beginning with: 'hunter2' ",
            "ERR Error in ACL SETUSER modifier '>hunter2': Syntax error",
        ] {
            assert!(!command.redact(said).contains("hunter2"), "{said}");
        }
    }
}

#[test]
fn commands_are_what_redis_expects() {
    let there = Address { host: "10.0.0.1".to_owned(), port: 6379 };
    for (command, words) in [
        (Command::replica_of(&there), "REPLICAOF 10.0.0.1 6379"),
        (Command::replica_of_no_one(), "REPLICAOF NO ONE"),
        (Command::failover_to(&there, 1000), "FAILOVER TO 10.0.0.1 6379 TIMEOUT 1000"),
        (Command::failover_abort(), "FAILOVER ABORT"),
        (Command::pause_writes(500), "CLIENT PAUSE 500 WRITE"),
        (Command::unpause(), "CLIENT UNPAUSE"),
        (Command::cut_off_client("7"), "CLIENT KILL ID 7 SKIPME yes"),
        (Command::config_set("save", ""), "CONFIG SET save "),
        (Command::publish("__sentinel__:hello", "a,b"), "PUBLISH __sentinel__:hello a,b"),
        (Command::sentinel_remove("cache"), "SENTINEL REMOVE cache"),
        (Command::sentinel_monitor("cache", &there, 2), "SENTINEL MONITOR cache 10.0.0.1 6379 2"),
        (Command::sentinel_set("cache", "quorum", "2"), "SENTINEL SET cache quorum 2"),
    ] {
        assert_eq!(command.to_string(), words);
    }
}

#[test]
fn lines_of_redis_cli() {
    let flat = |items: &[&str]| Reply::List(items.iter().map(|item| bulk(item)).collect());
    for (line, reply) in [
        (r#""PONG""#, bulk("PONG")),
        (r#""127.0.0.1","7601""#, flat(&["127.0.0.1", "7601"])),
        (r#""master",494"#, Reply::List(vec![bulk("master"), Reply::Integer(494)])),
        (r#""master",0,"#, Reply::List(vec![bulk("master"), Reply::Integer(0), Reply::List(vec![])])),
        ("", Reply::List(vec![])),
        ("NULL", Reply::Null),
        ("1", Reply::Integer(1)),
        (r#"ERROR,"READONLY You can't write""#, Reply::Error("READONLY You can't write".to_owned())),
        (r#""a\"b\\\x01\n,""#, bulk("a\"b\\\u{1}\n,")),
    ] {
        assert_eq!(csv_line(line), Some(reply), "{line}");
    }
    for wrong in ["PONG", "\"", "\"a", "\"a\\", "\"\\xé", "\"a\"b"] {
        assert_eq!(csv_line(wrong), None, "{wrong}");
    }
}

/// Any reply, of few levels, with words that parsers look for among its texts.
fn replies() -> impl proptest::strategy::Strategy<Value = Reply> {
    use proptest::prelude::*;
    let word = prop_oneof![
        Just("role:slave\r\nmaster_host:a\r\nmaster_port:99999".to_owned()),
        Just("role:master\r\nslave0:ip=a,port=,state".to_owned()),
        Just("name".to_owned()),
        Just("master".to_owned()),
        Just("slave".to_owned()),
        Just("-1".to_owned()),
        "[a-z0-9:,@ =\\[\\]-]{0,60}",
        any::<String>(),
    ];
    let leaf = prop_oneof![
        word.clone().prop_map(Reply::Line),
        word.clone().prop_map(Reply::Error),
        any::<i64>().prop_map(Reply::Integer),
        word.prop_map(|word| Reply::Bytes(word.into_bytes())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Reply::Bytes),
        Just(Reply::Null),
    ];
    leaf.prop_recursive(3, 40, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Reply::List),
            proptest::collection::vec((inner.clone(), inner), 0..8).prop_map(Reply::Map),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn no_reply_makes_a_parser_panic(reply in replies(), line in "[\"a-z0-9,\\\\x]{0,40}|.{0,40}") {
        let _ = (replication(&reply), persistence(&reply), role(&reply), master(&reply), masters(&reply));
        let _ = (super::replicas(&reply), sentinels(&reply), quorum(&reply), master_address(&reply));
        let _ = cluster_info(&reply);
        if let Ok(nodes) = cluster_nodes(&reply) {
            let _: u32 = nodes.iter().map(Node::slot_count).fold(0, u32::wrapping_add);
        }
        let _ = csv_line(&line);
    }
}

#[test]
fn how_much_a_server_holds() {
    let text = "# Persistence\r\nloading:0\r\nrdb_last_save_time:1700000000\r\n# Keyspace\r\n\
                db0:keys=12,expires=1,avg_ttl=0\r\ndb11:keys=3,expires=0,avg_ttl=0\r\n";
    let found = holding(&Reply::Bytes(text.into())).unwrap();
    assert_eq!(found, Holding { keys: 15, saved_at: 1_700_000_000 });
    assert!(holding(&Reply::Bytes(b"db0:keys=1\r\n".to_vec())).is_err());
}
