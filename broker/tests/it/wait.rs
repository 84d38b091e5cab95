use anyhow::Result;
use epro_broker::{
    Consumer, Tier,
    topology::{ALERTS, DEAD, SUBMISSIONS_DEFERRED, SUBMISSIONS_ROUTINE, SUBMISSIONS_URGENT, his},
    wait::parked,
};

use crate::stand::{Publishing, Stand, message, next, take, text};

const NOW: i64 = 1_795_000_000_000;
/// As a sealed body begins: it names its key.
const SEALED: &str = "\u{1}\u{2}k1, and what nobody reads here";

/// Parks what comes next, and acks it against the receipt.
async fn park(consumer: &mut Consumer, publishing: &Publishing, tier: Tier, now: i64) -> Result<()> {
    let delivery = next(consumer).await?;
    let receipt = publishing.publisher.publish(parked(&delivery, tier, now)).await?;
    delivery.ack(&receipt);
    Ok(consumer.settle().await?)
}

#[tokio::test]
async fn a_parked_message_comes_back_to_its_queue_as_it_was_and_can_wait_again() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    let mut sent = message(ALERTS, SEALED);
    sent.headers.attempt = 2;
    publishing.publisher.publish(sent.clone()).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    for waits in 1..=2_u32 {
        park(&mut consumer, &publishing, Tier::S5, NOW + i64::from(waits)).await?;
        stand.has_ready(Tier::S5.exchange(), 1).await?;
        stand.has_ready(Tier::S5.exchange(), 0).await?;
        let back = next(&mut consumer).await?;
        assert_eq!(back.message_id(), Some(sent.message_id()));
        assert_eq!((text(&back).as_str(), back.queue()), (SEALED, ALERTS));
        assert_eq!(back.kind(), Some("epro.test.v1"));
        let headers = back.headers();
        assert_eq!((headers.waits, headers.attempt), (waits, 2), "a wait charges no attempt");
        assert_eq!(headers.waiting_since, Some(NOW + 1), "since the first wait");
        assert_eq!(headers.key_id.as_deref(), Some("k1"));
        // The broker's own marks start anew each time, so that no count of its adds up.
        let names: Vec<String> = parked_headers(&back);
        assert!(names.iter().all(|name| !name.starts_with("x-")), "{names:?}");
        assert_eq!(back.death().map(|death| death.reason).as_deref(), Some("expired"));
        back.requeue();
    }
    Ok(())
}

fn parked_headers(delivery: &epro_broker::Delivery) -> Vec<String> {
    let message = parked(delivery, Tier::S5, NOW);
    format!("{:?}", message.headers).split('"').map(str::to_owned).collect()
}

#[tokio::test]
async fn submissions_that_waited_come_back_deferred_so_that_a_full_intake_queue_holds_up_no_tier()
-> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    for queue in [SUBMISSIONS_URGENT, SUBMISSIONS_ROUTINE] {
        publishing.publisher.publish(message(queue, queue)).await?;
        let mut consumer = stand.consumer(queue).await?;
        park(&mut consumer, &publishing, Tier::S5, NOW).await?;
        consumer.leave().await;
    }
    let mut deferred = stand.consumer(SUBMISSIONS_DEFERRED).await?;
    let mut came: Vec<String> = take(&mut deferred, 2).await?.iter().map(text).collect();
    came.sort();
    assert_eq!(came, [SUBMISSIONS_ROUTINE, SUBMISSIONS_URGENT]);
    Ok(())
}

#[tokio::test]
async fn a_hundred_waiting_messages_of_a_deleted_queue_end_as_dead_letters_and_delay_nobody() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    let gone = his("H001");
    for number in 0..100 {
        let mut lost = message(&gone, &number.to_string());
        lost.exchange = Tier::S5.exchange().to_owned();
        publishing.publisher.publish(lost).await?;
        if number % 10 == 9 {
            let mut healthy = message(ALERTS, "healthy");
            healthy.exchange = Tier::S5.exchange().to_owned();
            publishing.publisher.publish(healthy).await?;
        }
    }
    stand.vhost.delete_queue(&gone).await?;
    // Wedged, the broker would try again only after three minutes.
    let mut alerts = stand.consumer(ALERTS).await?;
    take(&mut alerts, 10).await?;
    let mut dead = stand.consumer(DEAD).await?;
    let letters = take(&mut dead, 100).await?;
    let mut numbers: Vec<u32> =
        letters.iter().map(|letter| text(letter).parse()).collect::<Result<_, _>>()?;
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..100));
    let death = letters[0].death();
    assert_eq!(
        death.map(|death| (death.reason, death.queue)),
        Some(("expired".into(), "epro.wait.5s".into()))
    );
    Ok(())
}
