# A Redis that takes a snapshot on its volume at least every 15 minutes if a key changes.
# Not supported by the provider yet: backup (daily at 2:00 to the bucket my-redis-backups, kept 30 days).
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

  persistence = {
    rdb = {
      enabled       = true
      save_interval = "900 1 300 10 60 10000"
    }
  }
}

output "url" {
  value = redis_k8s_instance.orders.url
}
