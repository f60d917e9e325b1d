use crate::client::{Host, script};

#[tokio::test]
async fn hello_changes_the_protocol() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(&mut client, "SADD s a => (1)\nHSET h f 1 => (1)").await;
    let hello = client.ask("HELLO 3 SETNAME me").await;
    assert!(
        hello.starts_with("{\"server\": \"damson\", \"version\": ") && hello.contains("\"proto\": (3)"),
        "{hello}"
    );
    script(
        &mut client,
        r#"
        SMEMBERS s      => #["a"]
        HGETALL h       => {"f": "1"}
        GET missing     => nil
        CLIENT GETNAME  => "me"
        RESET           => RESET
        SMEMBERS s      => ["a"]
        CLIENT GETNAME  => nil
        "#,
    )
    .await;
    assert!(client.ask("HELLO 2").await.starts_with("[\"server\""));
}

#[tokio::test]
async fn a_client_tells_about_itself() {
    let host = Host::start().await;
    let (mut one, mut two) = (host.client().await, host.client().await);
    script(
        &mut one,
        r#"
        PING                          => PONG
        PING hello                    => "hello"
        ECHO hello                    => "hello"
        CLIENT SETNAME one            => OK
        CLIENT SETINFO LIB-NAME lib   => OK
        CLIENT SETINFO lib-ver 1.2    => OK
        SELECT 2                      => OK
        "#,
    )
    .await;
    assert_ne!(one.ask("CLIENT ID").await, two.ask("CLIENT ID").await);
    let info = one.ask("CLIENT INFO").await;
    for part in ["name=one ", "db=2 ", "lib-name=lib ", "lib-ver=1.2", "cmd=client ", "resp=2 "] {
        assert!(info.contains(part), "{part} in {info}");
    }
    assert_eq!(two.ask("CLIENT LIST").await.matches("id=").count(), 2);
    assert_eq!(two.ask("CLIENT LIST ID 1").await.matches("id=").count(), 1);
}

#[tokio::test]
async fn a_client_that_wants_no_replies_gets_none() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send(b"CLIENT REPLY SKIP\r\nSET a 1\r\nGET a\r\nCLIENT REPLY OFF\r\nSET a 2\r\nfoo\r\nCLIENT REPLY ON\r\nGET a\r\n").await;
    let mut replies = Vec::new();
    for _ in 0..3 {
        replies.push(client.reply().await);
    }
    assert_eq!(replies, ["\"1\"", "OK", "\"2\""]);
}

#[tokio::test]
async fn info_command_and_config_answer_what_clients_ask() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.ask("SET k v").await;
    let info = client.ask("INFO").await;
    for part in ["redis_version:", "role:master", "db0:keys=1", "node_name:solo", "members:1"] {
        assert!(info.contains(part), "{part} in {info}");
    }
    let server = client.ask("INFO server").await;
    assert!(server.contains("redis_version:") && !server.contains("role:"));
    script(
        &mut client,
        r#"
        CONFIG GET save            => ["save", ""]
        CONFIG GET appendonly      => ["appendonly", "no"]
        CONFIG GET nosuch          => []
        COMMAND GETKEYS MSET a 1 b 2 => ["a", "b"]
        COMMAND GETKEYS GET a      => ["a"]
        COMMAND GETKEYS PING       => -ERR The command has no key arguments
        "#,
    )
    .await;
    let get = client.ask("COMMAND INFO get nosuch").await;
    assert!(get.starts_with("[[\"get\", (2), [readonly, fast], (1), (1), (1), "), "{get}");
    assert!(get.ends_with("nil]"));
    assert!(client.ask("COMMAND DOCS set").await.contains("summary"));
    let count = client.ask("COMMAND COUNT").await;
    let list = client.ask("COMMAND LIST").await;
    assert_eq!(count, format!("({})", list.matches('"').count() / 2));
}
