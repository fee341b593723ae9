# A cache on Spot capacity, which AWS may take back at any time.
# node_selector is that of all pods of an instance, masters too: so only for data that may be out of reach for a while.
terraform {
  required_providers {
    redis = {
      source = "redis-k8s/redis"
    }
  }
}

provider "redis" {}

resource "redis_k8s_instance" "thumbnails" {
  name             = "thumbnails"
  namespace        = "redis"
  create_namespace = true

  node_selector = {
    "eks.amazonaws.com/capacityType" = "SPOT"
  }
}

output "url" {
  value = redis_k8s_instance.thumbnails.url
}
