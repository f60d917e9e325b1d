use damson_server::FrontLimits;

use crate::client::{Host, encode};

const KIB_64: usize = 64 << 10;
const MIB_16: usize = 16 << 20;

#[tokio::test]
async fn the_longest_key_and_value_are_taken_and_longer_ones_named() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let (key, value) = (vec![b'k'; KIB_64], vec![b'v'; MIB_16]);
    assert_eq!(client.ask_args(&[b"SET", &key, &value]).await, "OK");
    assert_eq!(client.ask_args(&[b"STRLEN", &key]).await, format!("({MIB_16})"));
    let over = vec![b'k'; KIB_64 + 1];
    let error = "-ERR key bytes of 65537 is over the limit of 65536; nothing was written";
    assert_eq!(client.ask_args(&[b"SET", &over, b"v"]).await, error);
    assert_eq!(client.ask_args(&[b"MSET", b"a", b"1", &over, b"2"]).await, error);
    assert_eq!(client.ask("EXISTS a").await, "(0)");
    let error = "-ERR set element or field bytes of 65537 is over the limit of 65536; nothing was written";
    assert_eq!(client.ask_args(&[b"SADD", b"s", b"x", &over]).await, error);
    assert_eq!(client.ask_args(&[b"HSET", b"h", b"f", b"1", &over, b"1"]).await, error);
    assert_eq!(client.ask("EXISTS s h").await, "(0)");
}

#[tokio::test]
async fn an_oversized_value_is_refused_when_it_is_announced() {
    let host = Host::start().await;
    let mut client = host.client().await;
    // Not a byte of the value is sent: the length alone is enough.
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16777217\r\n").await;
    let error =
        "-ERR Protocol error: invalid bulk length: 16777217 bytes is over the limit of 16777216 bytes";
    assert_eq!(client.reply().await, error);
    assert!(client.is_closed().await);
    let mut client = host.client().await;
    client.send(b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n").await;
    assert_eq!(client.reply().await, "-ERR Protocol error: invalid bulk length");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_sends_the_oversized_value_all_the_same_sees_the_error() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send(&encode(&[b"SET", b"k", &vec![b'v'; MIB_16 + 1]])).await;
    assert!(client.reply().await.starts_with("-ERR Protocol error: invalid bulk length"));
}

#[tokio::test]
async fn a_command_that_fits_no_batch_is_refused_as_a_whole() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let names: Vec<String> = (0..66_000).map(|n| n.to_string()).collect();
    let mut args: Vec<&[u8]> = vec![b"SADD", b"s"];
    args.extend(names.iter().map(|name| name.as_bytes()));
    let error = "-ERR operations in a batch of 66002 is over the limit of 65472; nothing was written";
    assert_eq!(client.ask_args(&args).await, error);
    assert_eq!(client.ask("EXISTS s").await, "(0)");
    assert_eq!(client.ask_args(&args[..60_002]).await, "(60000)");
    assert_eq!(client.ask("SCARD s").await, "(60000)");
}

#[tokio::test]
async fn a_costly_pattern_is_refused() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.ask_args(&[b"SET", &vec![b'a'; KIB_64], b"v"]).await;
    let pattern = [b"*", &vec![b'a'; 900][..], b"b"].concat();
    assert_eq!(
        client.ask_args(&[b"KEYS", &pattern]).await,
        "-ERR the pattern is too costly to match, use fewer *"
    );
    let error = "-ERR pattern bytes of 2000 is over the limit of 1024; nothing was written";
    assert_eq!(client.ask_args(&[b"KEYS", &vec![b'a'; 2_000]]).await, error);
}

#[tokio::test]
async fn long_pipelines_are_sent_in_parts() {
    let host = Host::with(FrontLimits { output_bytes_max: 1_000, ..FrontLimits::default() }).await;
    let mut client = host.client().await;
    client.send(&b"ECHO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(300)).await;
    for _ in 0..300 {
        assert_eq!(client.reply().await.len(), 38);
    }
}
