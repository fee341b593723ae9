# A Redis whose pods run as a service account that may write to S3 (IRSA). This example does not create the account.
# Not supported by the provider yet: backup (every 6 hours to the bucket prod-redis-backups, kept 90 days).
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "orders" {
  name             = "orders"
  namespace        = "redis"
  create_namespace = true
  service_account  = "redis-backup-sa"
}

output "url" {
  value = redis_k8s_instance.orders.url
}
