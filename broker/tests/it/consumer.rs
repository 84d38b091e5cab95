use anyhow::{Context, Result, ensure};
use epro_broker::{
    Consumer,
    consumer::{EndReason, SettleError, SubscribeError},
    topology::{ALERTS, DEAD, RISK},
};
use tokio::time::timeout;

use crate::stand::{SOON, Stand, Stored, message, next, take, text, topology};

async fn filled(count: usize) -> Result<Stand> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    for number in 0..count {
        publishing.publisher.publish(message(ALERTS, &number.to_string())).await?;
    }
    Ok(stand)
}

#[tokio::test]
async fn a_dropped_delivery_comes_again_flagged_as_redelivered() -> Result<()> {
    let stand = filled(1).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    let first = next(&mut consumer).await?;
    assert!(!first.redelivered());
    let id = first.message_id();
    drop(first);
    // Nobody calls settle: waiting for the next one sends what was decided.
    let second = next(&mut consumer).await?;
    assert!(second.redelivered());
    assert_eq!(second.message_id(), id);
    second.ack(&Stored);
    consumer.leave().await;
    stand.has_ready(ALERTS, 0).await
}

#[tokio::test]
async fn released_and_requeued_deliveries_come_again() -> Result<()> {
    let stand = filled(2).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    let mut both = take(&mut consumer, 2).await?;
    both.pop().context("one")?.release();
    both.pop().context("another")?.requeue();
    let again = take(&mut consumer, 2).await?;
    assert!(again.iter().all(epro_broker::Delivery::redelivered));
    let mut texts: Vec<String> = again.iter().map(text).collect();
    texts.sort();
    assert_eq!(texts, ["0", "1"]);
    Ok(())
}

#[tokio::test]
async fn what_was_released_25_times_is_still_in_its_queue_at_its_first_attempt() -> Result<()> {
    let stand = Stand::new().await?;
    // Left to itself, RabbitMQ 4.0 gives up on a message after 20 returns.
    stand.put_policies().await?;
    let publishing = stand.publisher().await?;
    publishing.publisher.publish(message(ALERTS, "patience")).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    for _ in 0..25 {
        let delivery = next(&mut consumer).await?;
        assert_eq!(delivery.headers().attempt, 1);
        delivery.release();
    }
    let last = next(&mut consumer).await?;
    assert_eq!((text(&last).as_str(), last.headers().attempt), ("patience", 1));
    last.release();
    consumer.leave().await;
    stand.has_ready(ALERTS, 1).await
}

#[tokio::test]
async fn a_dead_letter_that_was_given_back_25_times_is_still_there_without_any_policy() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    let mut letter = message(ALERTS, "the last stop");
    letter.exchange = DEAD.to_owned();
    publishing.publisher.publish(letter).await?;
    let mut consumer = stand.consumer(DEAD).await?;
    for _ in 0..25 {
        next(&mut consumer).await?.requeue();
    }
    next(&mut consumer).await?.release();
    consumer.leave().await;
    stand.has_ready(DEAD, 1).await
}

#[tokio::test]
async fn leaving_keeps_everything_undecided_in_the_queue_and_nothing_that_was_acked() -> Result<()> {
    let stand = filled(60).await?;
    // 20 handed out, 20 more in the client's buffer, 20 still with the broker.
    let mut consumer = Consumer::subscribe(&stand.connection, ALERTS, 40).await?;
    let mut taken = take(&mut consumer, 20).await?;
    let acked: Vec<String> = taken.drain(..5).map(|d| (text(&d), d.ack(&Stored)).0).collect();
    consumer.settle().await?;
    assert_eq!(consumer.outstanding(), 15);
    let straggler = taken.pop().context("one")?;
    taken.drain(..).rev().step_by(2).for_each(|delivery| delivery.release());
    consumer.leave().await;
    assert!(!straggler.is_live());
    straggler.ack(&Stored);

    stand.has_ready(ALERTS, 55).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    let rest = take(&mut consumer, 55).await?;
    assert!(rest.iter().all(|delivery| !acked.contains(&text(delivery))));
    Ok(())
}

#[tokio::test]
async fn a_subscription_that_keeps_back_fills_up_and_is_cancelled_with_nothing_on_its_way() -> Result<()> {
    let stand = filled(10).await?;
    let mut consumer = Consumer::subscribe(&stand.connection, ALERTS, 4).await?;
    let mut hand = take(&mut consumer, 2).await?;
    consumer.keep_back();
    hand.drain(..).for_each(|delivery| delivery.ack(&Stored));
    hand.extend(take(&mut consumer, 2).await?);
    assert!(consumer.is_full());
    assert!(futures_util::FutureExt::now_or_never(consumer.next()).is_none());
    stand.has_ready(ALERTS, 6).await?;
    assert!(consumer.cancel().await?.is_empty());
    assert!(timeout(SOON, consumer.next()).await?.is_none());
    // What is decided after the cancel still counts.
    hand.into_iter().for_each(|delivery| delivery.ack(&Stored));
    consumer.settle().await?;
    assert_eq!(consumer.outstanding(), 0);
    consumer.leave().await;

    stand.has_ready(ALERTS, 6).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    assert!(take(&mut consumer, 6).await?.iter().all(|delivery| !delivery.redelivered()));
    Ok(())
}

#[tokio::test]
async fn while_one_that_is_served_first_has_room_the_others_get_nothing() -> Result<()> {
    let stand = Stand::new().await?;
    let publishing = stand.publisher().await?;
    let mut other = stand.consumer(ALERTS).await?;
    let mut first = Consumer::subscribe_first(&stand.connection, ALERTS, 2).await?;
    for number in 0..3 {
        publishing.publisher.publish(message(ALERTS, &number.to_string())).await?;
    }
    assert_eq!(take(&mut first, 2).await?.iter().map(text).collect::<Vec<_>>(), ["0", "1"]);
    assert_eq!(text(&next(&mut other).await?), "2");
    Ok(())
}

#[tokio::test]
async fn a_cancel_gives_what_the_client_had_in_its_buffer() -> Result<()> {
    let stand = filled(5).await?;
    let mut consumer = Consumer::subscribe(&stand.connection, ALERTS, 10).await?;
    let first = next(&mut consumer).await?;
    stand.has_ready(ALERTS, 0).await?;
    let mut buffered = consumer.cancel().await?;
    assert_eq!(buffered.iter().map(text).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    let undecided = buffered.pop().context("one")?;
    buffered.into_iter().for_each(|delivery| delivery.ack(&Stored));
    first.ack(&Stored);
    consumer.leave().await;
    assert!(!undecided.is_live());
    stand.has_ready(ALERTS, 1).await
}

#[tokio::test]
async fn acks_in_any_order_settle_everything_and_the_channel_lives() -> Result<()> {
    let stand = filled(400).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    let mut hand = Vec::new();
    let mut requeued = 0;
    let mut acked = std::collections::HashSet::new();
    // A fixed shuffle; now and then settle in the middle, sometimes past what is undecided.
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut dice = move |sides: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % sides)
    };
    while acked.len() < 400 {
        while hand.len() < 50 && hand.len() + acked.len() < 400 {
            hand.push(next(&mut consumer).await?);
        }
        let delivery = hand.swap_remove(dice(hand.len() as u64)?);
        match dice(8)? {
            0 if requeued < 100 => {
                requeued += 1;
                delivery.requeue();
            }
            _ => {
                ensure!(acked.insert(text(&delivery)), "acked twice");
                delivery.ack(&Stored);
            }
        }
        match dice(16)? {
            0 => consumer.settle_past_stragglers().await?,
            1 | 2 => consumer.settle().await?,
            _ => {}
        }
    }
    consumer.settle().await?;
    assert_eq!(consumer.outstanding(), 0);
    assert!(consumer.end_reason().is_none());
    consumer.leave().await;
    stand.has_ready(ALERTS, 0).await
}

#[tokio::test]
async fn no_more_than_the_prefetch_is_handed_out_until_something_is_settled() -> Result<()> {
    let stand = filled(10).await?;
    let mut consumer = Consumer::subscribe(&stand.connection, ALERTS, 4).await?;
    let mut hand = take(&mut consumer, 4).await?;
    stand.has_ready(ALERTS, 6).await?;
    assert!(futures_util::FutureExt::now_or_never(consumer.next()).is_none());
    hand.remove(2).ack(&Stored);
    consumer.settle().await?;
    assert_eq!(consumer.outstanding(), 4, "an ack past a straggler is held");
    consumer.settle_past_stragglers().await?;
    assert_eq!(consumer.outstanding(), 3);
    assert_eq!(text(&next(&mut consumer).await?), "4");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_ended_stays_ended_and_a_new_subscription_goes_on() -> Result<()> {
    let stand = filled(3).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    let held = take(&mut consumer, 3).await?;
    stand.vhost.delete_queue(ALERTS).await?;
    assert!(timeout(SOON, consumer.next()).await?.is_none());
    assert_eq!(consumer.end_reason(), Some(&EndReason::Cancelled));
    assert!(timeout(SOON, consumer.next()).await?.is_none(), "and ever after");
    assert!(held.iter().all(|delivery| !delivery.is_live()));
    held.into_iter().for_each(|delivery| delivery.ack(&Stored));
    assert!(matches!(consumer.settle().await, Err(SettleError::ChannelGone)));

    let error = Consumer::subscribe(&stand.connection, ALERTS, 10).await.err();
    assert!(matches!(&error, Some(SubscribeError::Missing { queue }) if queue == ALERTS), "{error:?}");
    topology().apply(&stand.connection).await?;
    let publishing = stand.publisher().await?;
    publishing.publisher.publish(message(ALERTS, "new")).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    assert_eq!(text(&next(&mut consumer).await?), "new");
    Ok(())
}

#[tokio::test]
async fn a_closed_connection_ends_the_stream_and_what_was_unsettled_comes_again() -> Result<()> {
    let stand = filled(2).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    let held = take(&mut consumer, 2).await?;
    let close = || async { Ok((stand.vhost.close_connections().await? > 0).then_some(())) };
    epro_proving::until("a connection to close", SOON, close).await?;
    assert!(timeout(SOON, consumer.next()).await?.is_none());
    assert!(matches!(consumer.end_reason(), Some(EndReason::Failed(_))), "{:?}", consumer.end_reason());
    assert!(held.iter().all(|delivery| !delivery.is_live()));
    drop(held);
    consumer.leave().await;

    let connection = epro_broker::Connection::open(&stand.url()?, "again").await?;
    let mut consumer = Consumer::subscribe(&connection, ALERTS, 10).await?;
    let again = take(&mut consumer, 2).await?;
    assert!(again.iter().all(epro_broker::Delivery::redelivered));
    Ok(())
}

#[tokio::test]
async fn a_missing_queue_is_named_and_does_not_disturb_other_consumers() -> Result<()> {
    let stand = filled(1).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    stand.vhost.delete_queue(RISK).await?;
    let error = Consumer::subscribe(&stand.connection, RISK, 10).await.err().context("an error")?;
    assert_eq!(error.to_string(), "queue epro.risk is missing: run `epro topology apply`");
    assert_eq!(text(&next(&mut consumer).await?), "0");
    Ok(())
}

#[tokio::test]
async fn dropping_a_consumer_gives_everything_back() -> Result<()> {
    let stand = filled(5).await?;
    let mut consumer = stand.consumer(ALERTS).await?;
    let held = take(&mut consumer, 3).await?;
    drop(consumer);
    assert!(held.iter().all(|delivery| !delivery.is_live()));
    stand.has_ready(ALERTS, 5).await
}
