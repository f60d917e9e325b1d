use crate::client::{Host, script};

#[tokio::test]
async fn errors_have_the_words_of_redis() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r#"
        foo a b               => -ERR unknown command `foo`, with args beginning with: `a`, `b`,
        GET                   => -ERR wrong number of arguments for 'get' command
        get a b               => -ERR wrong number of arguments for 'get' command
        MSET a                => -ERR wrong number of arguments for 'mset' command
        MSET a 1 b            => -ERR wrong number of arguments for 'mset' command
        HSET h f 1 g          => -ERR wrong number of arguments for 'hset' command
        SET a b BLAH          => -ERR syntax error
        SET a b EX            => -ERR syntax error
        SET a b NX XX         => -ERR syntax error
        SET a b EX 1 PX 1     => -ERR syntax error
        SET a b EX 1 KEEPTTL  => -ERR syntax error
        SET a b EX 0          => -ERR invalid expire time in 'set' command
        SET a b EX -1         => -ERR invalid expire time in 'set' command
        SET a b PX 9223372036854775807 => -ERR invalid expire time in 'set' command
        SET a b EX x          => -ERR value is not an integer or out of range
        SETEX a 0 b           => -ERR invalid expire time in 'setex' command
        PSETEX a 0 b          => -ERR invalid expire time in 'psetex' command
        EXPIRE a x            => -ERR value is not an integer or out of range
        EXPIRE a 9223372036854775807 => -ERR invalid expire time in 'expire' command
        EXPIRE a 1 FOO        => -ERR Unsupported option FOO
        EXPIRE a 1 NX XX      => -ERR NX and XX, GT or LT options at the same time are not compatible
        EXPIRE a 1 GT LT      => -ERR GT and LT options at the same time are not compatible
        SET n text            => OK
        INCR n                => -ERR value is not an integer or out of range
        INCRBY n 1.5          => -ERR value is not an integer or out of range
        SET n 9223372036854775807 => OK
        INCR n                => -ERR increment or decrement would overflow
        DECRBY n -9223372036854775808 => -ERR decrement would overflow
        GET n                 => "9223372036854775807"
        SELECT 16             => -ERR DB index is out of range
        SELECT -1             => -ERR DB index is out of range
        SELECT x              => -ERR value is not an integer or out of range
        SCAN x                => -ERR invalid cursor
        SCAN 0 COUNT 0        => -ERR syntax error
        SCAN 0 COUNT x        => -ERR value is not an integer or out of range
        SCAN 0 MATCH          => -ERR syntax error
        SCAN 0 FOO bar        => -ERR syntax error
        HELLO 4               => -NOPROTO unsupported protocol version
        HELLO x               => -ERR Protocol version is not an integer or out of range
        HELLO 3 FOO           => -ERR Syntax error in HELLO option 'FOO'
        CLIENT FOO            => -ERR unknown subcommand 'FOO'. Try CLIENT HELP.
        CLIENT ID x           => -ERR wrong number of arguments for 'client|id' command
        CLIENT LIST FOO       => -ERR syntax error
        CLIENT REPLY maybe    => -ERR syntax error
        CLIENT SETINFO foo x  => -ERR Unrecognized option 'foo'
        COMMAND FOO           => -ERR unknown subcommand 'FOO'. Try COMMAND HELP.
        CONFIG FOO            => -ERR unknown subcommand 'FOO'. Try CONFIG HELP.
        CONFIG GET            => -ERR wrong number of arguments for 'config|get' command
        PING a b              => -ERR wrong number of arguments for 'ping' command
        "#,
    )
    .await;
    let name = client.ask_args(&[b"CLIENT", b"SETNAME", b"a b"]).await;
    assert_eq!(name, "-ERR Client names cannot contain spaces, newlines or special characters.");
    let none = "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                configuration is correct?";
    assert_eq!(client.ask("AUTH secret").await, none);
    assert_eq!(client.ask("HELLO 3 AUTH default secret").await, none);
    let set =
        "-ERR settings are not changed over the Redis protocol: they are in the configuration of the daemon";
    assert_eq!(client.ask("CONFIG SET save 1").await, set);
}

#[tokio::test]
async fn a_write_of_the_wrong_type_changes_nothing() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(&mut client, "SET str v => OK\nSADD set a => (1)\nHSET hash f 1 => (1)").await;
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for command in [
        "GET set",
        "GET hash",
        "STRLEN set",
        "INCR set",
        "INCRBY hash 1",
        "GETDEL set",
        "SET set v GET",
        "SADD str x y",
        "SREM hash x",
        "SMEMBERS str",
        "SISMEMBER hash f",
        "SMISMEMBER str x",
        "SCARD str",
        "HSET str f 1 g 2",
        "HSET set f 1",
        "HSETNX str f 1",
        "HGET str f",
        "HMGET set f",
        "HGETALL set",
        "HDEL str f",
        "HLEN str",
        "HEXISTS set f",
        "HKEYS str",
        "HVALS set",
        "HSTRLEN str f",
    ] {
        assert_eq!(client.ask(command).await, wrong, "{command}");
    }
    script(
        &mut client,
        r#"
        GET str       => "v"
        SMEMBERS set  => ["a"]
        HGETALL hash  => ["f", "1"]
        DBSIZE        => (3)
        MGET str set  => ["v", nil]
        SET set now   => OK
        TYPE set      => string
        "#,
    )
    .await;
}

#[tokio::test]
async fn keys_of_other_kinds_show_their_kind() {
    let host = Host::start().await;
    host.node.scope("default").unwrap().counter("c").add(1).await.unwrap();
    let mut client = host.client().await;
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    script(&mut client, &format!("TYPE c => counter\nGET c => {wrong}\nINCR c => {wrong}\nDEL c => (1)"))
        .await;
}

#[tokio::test]
async fn writes_to_a_stopped_node_are_refused_and_reads_go_on() {
    let host = Host::start().await;
    let mut client = host.client().await;
    assert_eq!(client.ask("SET k v").await, "OK");
    host.node.stop().await.unwrap();
    assert_eq!(client.ask("SET k w").await, "-ERR the node has stopped; nothing was written");
    assert_eq!(client.ask("GET k").await, "\"v\"");
}
