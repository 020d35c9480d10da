# A CloudTrail trail with Amazon Q Developer's events, its bucket, and a queue that announces each new log file to qtrail:
# bucket -> SNS topic -> SQS queue -> dead-letter queue. The same as deploy/aws/trail-to-queue.yaml.
#
#   terraform init && terraform apply
#
# The topic lets other consumers subscribe too, because S3 refuses a second notification of the same objects. The queues are
# encrypted with SQS's own keys, and the topic carries only names of objects. If you add a customer managed KMS key to
# either, it must allow s3.amazonaws.com and sns.amazonaws.com to use it.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  bucket    = "${var.bucket_prefix}-${local.account}-${local.region}"
  trail_arn = "arn:${local.partition}:cloudtrail:${local.region}:${local.account}:trail/${var.trail_name}"

  # Calls from IDEs and the command line are data events, which a trail logs only with these selectors.
  data_events = {
    "Amazon Q Developer in IDEs"             = "AWS::CodeWhisperer::Profile"
    "Amazon Q Developer with customizations" = "AWS::CodeWhisperer::Customization"
    "Amazon Q Developer in other products"   = "AWS::QDeveloper::Integration"
    "Operational investigations"             = "AWS::AIOps::InvestigationGroup"
  }
}

resource "aws_s3_bucket" "trail" {
  bucket = local.bucket

  # Evidence outlives the configuration.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "trail" {
  bucket = aws_s3_bucket.trail.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "trail" {
  bucket                  = aws_s3_bucket.trail.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "trail" {
  bucket = aws_s3_bucket.trail.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "trail" {
  bucket = aws_s3_bucket.trail.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "trail" {
  bucket     = aws_s3_bucket.trail.id
  depends_on = [aws_s3_bucket_versioning.trail]
  rule {
    id     = "expire"
    status = "Enabled"
    filter {}
    expiration {
      days = var.expire_after_days
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_notification" "trail" {
  bucket = aws_s3_bucket.trail.id
  # S3 tests whether it may publish.
  depends_on = [aws_sns_topic_policy.files]
  topic {
    topic_arn     = aws_sns_topic.files.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "AWSLogs/"
    filter_suffix = ".json.gz"
  }
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "CloudTrailLooks"
    actions   = ["s3:GetBucketAcl"]
    resources = [aws_s3_bucket.trail.arn]
    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }
  statement {
    sid     = "CloudTrailWrites"
    actions = ["s3:PutObject"]
    resources = concat(
      ["${aws_s3_bucket.trail.arn}/AWSLogs/${local.account}/*"],
      var.organization_id == "" ? [] : ["${aws_s3_bucket.trail.arn}/AWSLogs/${var.organization_id}/*"],
    )
    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "s3:x-amz-acl"
      values   = ["bucket-owner-full-control"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }
  statement {
    sid       = "OnlyEncryptedConnections"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.trail.arn, "${aws_s3_bucket.trail.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "trail" {
  bucket     = aws_s3_bucket.trail.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.trail]
}

resource "aws_cloudtrail" "trail" {
  name                          = var.trail_name
  s3_bucket_name                = aws_s3_bucket.trail.id
  depends_on                    = [aws_s3_bucket_policy.trail]
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  is_organization_trail         = var.organization_id != ""

  dynamic "advanced_event_selector" {
    for_each = var.management_events ? ["Management events"] : []
    content {
      name = advanced_event_selector.value
      field_selector {
        field  = "eventCategory"
        equals = ["Management"]
      }
    }
  }

  dynamic "advanced_event_selector" {
    for_each = local.data_events
    content {
      name = advanced_event_selector.key
      field_selector {
        field  = "eventCategory"
        equals = ["Data"]
      }
      field_selector {
        field  = "resources.type"
        equals = [advanced_event_selector.value]
      }
    }
  }
}

resource "aws_sns_topic" "files" {
  name_prefix = "qtrail-"
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "TheBucketPublishes"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.files.arn]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [aws_s3_bucket.trail.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "files" {
  arn    = aws_sns_topic.files.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sqs_queue" "dead_letters" {
  name_prefix = "qtrail-dead-letters-"
  # A message keeps its age in this queue, so the retention is longer than that of the main queue.
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "files" {
  name_prefix = "qtrail-"
  # qtrail sets both in its requests; these values are for other consumers.
  visibility_timeout_seconds = 60
  receive_wait_time_seconds  = 20
  # Twelve days: the longest outage of the collector. After that, use `qtrail backfill`.
  message_retention_seconds = 1036800
  sqs_managed_sse_enabled   = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receives
  })
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "TheTopicSends"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.files.arn]
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.files.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "files" {
  queue_url = aws_sqs_queue.files.id
  policy    = data.aws_iam_policy_document.queue.json
}

resource "aws_sns_topic_subscription" "files" {
  topic_arn            = aws_sns_topic.files.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.files.arn
  raw_message_delivery = true
  depends_on           = [aws_sqs_queue_policy.files]
}

data "aws_iam_policy_document" "consumer" {
  statement {
    sid = "Queue"
    actions = [
      "sqs:ReceiveMessage",
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
    ]
    resources = [aws_sqs_queue.files.arn]
  }
  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.trail.arn}/AWSLogs/*"]
  }
}

resource "aws_iam_policy" "consumer" {
  name_prefix = "qtrail-"
  description = "The rights that qtrail needs to read this queue and the objects that it announces."
  policy      = data.aws_iam_policy_document.consumer.json
}

data "aws_iam_policy_document" "pod" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "pod" {
  count              = var.pod_identity_role ? 1 : 0
  name_prefix        = "qtrail-"
  assume_role_policy = data.aws_iam_policy_document.pod.json
}

resource "aws_iam_role_policy_attachment" "pod" {
  count      = var.pod_identity_role ? 1 : 0
  role       = aws_iam_role.pod[0].name
  policy_arn = aws_iam_policy.consumer.arn
}
