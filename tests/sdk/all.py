"""The official SDKs by the format that they speak."""

from __future__ import annotations

from typing import Final

from tests.sdk.anthropic import AnthropicSdk
from tests.sdk.gemini import GeminiSdk
from tests.sdk.ollama import OllamaSdk
from tests.sdk.openai_chat import OpenaiChatSdk
from tests.sdk.openai_responses import OpenaiResponsesSdk
from tests.sdk.told import Sdk

SDKS: Final[dict[str, Sdk]] = {
    sdk.name: sdk
    for sdk in (OpenaiChatSdk(), OpenaiResponsesSdk(), AnthropicSdk(), GeminiSdk(), OllamaSdk())
}
