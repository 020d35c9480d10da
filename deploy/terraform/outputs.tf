output "queue_url" {
  description = "For `qtrail run --sqs`."
  value       = aws_sqs_queue.files.url
}

output "queue_arn" {
  value = aws_sqs_queue.files.arn
}

output "dead_letters_url" {
  description = "The dead-letter queue; set an alarm on its depth."
  value       = aws_sqs_queue.dead_letters.url
}

output "bucket_name" {
  description = "For s3.buckets (QTRAIL_S3_BUCKETS), because the queue's policy names the topic and no bucket; and for `qtrail backfill s3://...`."
  value       = aws_s3_bucket.trail.id
}

output "topic_arn" {
  description = "For other consumers that subscribe to new log files."
  value       = aws_sns_topic.files.arn
}

output "consumer_policy_arn" {
  description = "Attach it to qtrail's role."
  value       = aws_iam_policy.consumer.arn
}

output "pod_role_arn" {
  description = "For an EKS Pod Identity association."
  value       = one(aws_iam_role.pod[*].arn)
}
