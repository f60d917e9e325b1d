use crate::client::{Host, script};

#[tokio::test]
async fn sets_hold_each_element_once() {
    let host = Host::start().await;
    let mut client = host.client().await;
    script(
        &mut client,
        r#"
        SMEMBERS s            => []
        SCARD s               => (0)
        SADD s b a b          => (2)
        SADD s a c            => (1)
        SCARD s               => (3)
        SISMEMBER s a         => (1)
        SISMEMBER s z         => (0)
        SMISMEMBER s a z      => [(1), (0)]
        SMEMBERS s            ~> ["a", "b", "c"]
        SREM s a z            => (1)
        SREM s b c            => (2)
        EXISTS s              => (0)
        TYPE s                => none
        "#,
    )
    .await;
}
