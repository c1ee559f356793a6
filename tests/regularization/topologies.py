"""Small networks of every shape that compaction must understand, and an input of each."""

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    """Modules, and a function that says how they are called."""

    def __init__(self, body, **modules):
        super().__init__()
        self.body = body
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x, y=None):
        return self.body(self, x) if y is None else self.body(self, x, y)


class Scale(nn.Module):
    """A factor for each channel, as a plain parameter."""

    def __init__(self, channels):
        super().__init__()
        self.factor = nn.Parameter(torch.rand(channels, 1, 1))

    def forward(self, x):
        return x * self.factor


def images(count=2, channels=3):
    return torch.randn(count, channels, 8, 8)


def plain():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    ), images()


def residual():
    def body(self, x):
        x = torch.relu(self.bn1(self.stem(x)))
        y = torch.relu(self.bn2(self.first(x)))
        y = self.bn3(self.second(y))
        y += x
        return self.head(torch.relu(y).mean((2, 3)))

    return Net(
        body,
        stem=nn.Conv2d(3, 8, 3, padding=1),
        bn1=nn.BatchNorm2d(8),
        first=nn.Conv2d(8, 8, 3, padding=1, bias=False),
        bn2=nn.BatchNorm2d(8),
        second=nn.Conv2d(8, 8, 3, padding=1, bias=False),
        bn3=nn.BatchNorm2d(8),
        head=nn.Linear(8, 4),
    ), images()


def concat():
    def body(self, x):
        x = torch.relu(self.first(x))
        y = torch.relu(self.second(x))
        z = torch.cat([x, y], 1)
        return self.head(torch.cat([z, torch.relu(self.third(z))], 1).flatten(1))

    return Net(
        body,
        first=nn.Conv2d(3, 6, 3, padding=1),
        second=nn.Conv2d(6, 4, 3, padding=1),
        third=nn.Conv2d(10, 4, 1),
        head=nn.Linear(14 * 64, 4),
    ), images()


def depthwise():
    return nn.Sequential(
        nn.Conv2d(3, 8, 1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 6, 1),
        nn.ReLU(),
        nn.Conv2d(6, 12, 3, groups=6),
        nn.ReLU(),
        nn.Conv2d(12, 4, 1),
    ), images()


def grouped():
    return nn.Sequential(
        nn.Conv2d(3, 16, 1),
        nn.ReLU(),
        nn.Conv2d(16, 12, 3, padding=1, groups=4),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 4, 1),
    ), images()


def transposed():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 4, 2, 1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 6, 2, 2, groups=6),
        nn.ReLU(),
        nn.Conv2d(6, 3, 1),
    ), images()


def flatten():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 16, 12),
        nn.ReLU(),
        nn.Linear(12, 4),
    ), images()


def shared():
    def body(self, x, y):
        a, b = (self.second(torch.relu(self.first(z))).mean((2, 3)) for z in (x, y))
        return self.head(torch.relu(self.both(a) * self.both(b)))

    return Net(
        body,
        first=nn.Conv2d(3, 8, 3),
        second=nn.Conv2d(8, 8, 3),
        both=nn.Linear(8, 6),
        head=nn.Linear(6, 2),
    ), (images(), images())


def tied():
    """An embedding whose weights are those of the output layer as well."""

    def body(self, x):
        return self.head(torch.tanh(self.table(x)))

    table, head = nn.Embedding(9, 8), nn.Linear(8, 9, bias=False)
    head.weight = table.weight
    return Net(body, table=table, head=head), torch.randint(9, (3, 4))


def several_outputs():
    def body(self, x):
        x = torch.relu(self.stem(x))
        maps = self.maps(x)
        return {"maps": maps, "scores": (self.scores(x.mean((2, 3))), maps.amax((1, 2, 3)))}

    return Net(
        body, stem=nn.Conv2d(3, 8, 3), maps=nn.Conv2d(8, 2, 1), scores=nn.Linear(8, 3)
    ), images()


def one_dimension():
    return nn.Sequential(
        nn.Conv1d(3, 8, 5, padding=2),
        nn.BatchNorm1d(8),
        nn.GELU(),
        nn.MaxPool1d(2),
        nn.Conv1d(8, 8, 3, dilation=2),
        nn.ReLU(),
        nn.AdaptiveMaxPool1d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    ), torch.randn(2, 3, 20)


def three_dimensions():
    return nn.Sequential(
        nn.Conv3d(2, 6, 3, padding=1),
        nn.BatchNorm3d(6),
        nn.ReLU(),
        nn.AvgPool3d(2),
        nn.Conv3d(6, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    ), torch.randn(2, 2, 4, 8, 8)


def lstm():
    def body(self, x):
        y, (h, _) = self.rnn(self.table(x))
        return self.mean(y.mean(1)) + self.last(torch.cat([h[-2], h[-1]], 1))

    return Net(
        body,
        table=nn.Embedding(11, 6),
        rnn=nn.LSTM(6, 8, 2, batch_first=True, bidirectional=True),
        mean=nn.Linear(16, 3),
        last=nn.Linear(16, 3),
    ), torch.randint(11, (2, 5))


def recurrent(rnn):
    def body(self, x):
        y, _ = self.rnn(torch.relu(self.stem(x)))
        return self.head(y[:, -1])

    return Net(body, stem=nn.Linear(4, 6), rnn=rnn, head=nn.Linear(8, 3)), torch.randn(2, 5, 4)


def gru():
    return recurrent(nn.GRU(6, 8, batch_first=True))


def rnn():
    return recurrent(nn.RNN(6, 8, 2, batch_first=True))


def attention():
    def body(self, x):
        x = self.stem(x)
        y, _ = self.attend(x, x, x)
        return self.head(torch.relu(self.hidden(x + y)))

    return Net(
        body,
        stem=nn.Linear(5, 8),
        attend=nn.MultiheadAttention(8, 4, batch_first=True),
        hidden=nn.Linear(8, 8),
        head=nn.Linear(8, 2),
    ), torch.randn(2, 6, 5)


def cross_attention():
    def body(self, x, y):
        z, _ = self.attend(self.query(x), y, y, need_weights=False)
        return self.head(z)

    return Net(
        body,
        query=nn.Linear(5, 8),
        attend=nn.MultiheadAttention(8, 4, kdim=6, vdim=6, add_bias_kv=True, add_zero_attn=True),
        head=nn.Linear(8, 2),
    ), (torch.randn(4, 2, 5), torch.randn(7, 2, 6))


def transformer():
    layer = nn.TransformerEncoderLayer(8, 4, 16, batch_first=True, dropout=0.0)
    return nn.Sequential(
        nn.Linear(5, 8),
        nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
        nn.Linear(8, 2),
    ), torch.randn(2, 6, 5)


def embedding():
    def body(self, x):
        return self.head(torch.relu(self.hidden(self.table(x)))).mean(1)

    return Net(
        body, table=nn.Embedding(9, 8), hidden=nn.Linear(8, 6), head=nn.Linear(6, 2)
    ), torch.randint(9, (3, 4))


def unet():
    def body(self, x):
        fine = torch.relu(self.down1(x))
        coarse = torch.relu(self.down2(F.max_pool2d(fine, 2)))
        y = torch.relu(self.join(torch.cat([fine, self.up(coarse)], 1)))
        return self.head(y + F.interpolate(self.skip(coarse), scale_factor=2))

    return Net(
        body,
        down1=nn.Conv2d(3, 6, 3, padding=1),
        down2=nn.Conv2d(6, 8, 3, padding=1),
        up=nn.ConvTranspose2d(8, 6, 2, 2),
        join=nn.Conv2d(12, 6, 3, padding=1),
        skip=nn.Conv2d(8, 6, 1),
        head=nn.Conv2d(6, 2, 1),
    ), images()


def sigmoid():
    """Zero channels are one half after it; no padding is in the way."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.Sigmoid(),
        nn.Conv2d(8, 6, 3, bias=False),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * 4, 4),
    ), images()


def gates():
    def body(self, x):
        a, b = self.first(x).chunk(2, 1)
        return self.head(F.glu(self.second(a * torch.sigmoid(b)), 1))

    return Net(
        body, first=nn.Conv2d(3, 16, 3), second=nn.Conv2d(8, 12, 1), head=nn.Conv2d(6, 2, 1)
    ), images()


def halves():
    """Two halves that are not tied, of which equally many must stay."""

    def body(self, x):
        x = self.stem(x)
        a, b = x.split(x.size(1) // 2, dim=1)
        return self.first(torch.relu(a)) + self.second(torch.relu(b))

    return Net(
        body, stem=nn.Conv2d(3, 16, 3), first=nn.Conv2d(8, 2, 1), second=nn.Conv2d(8, 2, 1)
    ), images()


def squeeze_and_excite():
    def body(self, x):
        x = torch.relu(self.stem(x))
        y = torch.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return self.head(x * torch.sigmoid(self.excite(y)))

    return Net(
        body,
        stem=nn.Conv2d(3, 8, 3),
        squeeze=nn.Conv2d(8, 4, 1),
        excite=nn.Conv2d(4, 8, 1),
        head=nn.Conv2d(8, 2, 1),
    ), images()


def normalized():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.GroupNorm(4, 8),
        nn.ReLU(),
        nn.Conv2d(8, 6, 3),
        nn.PReLU(6),
        nn.InstanceNorm2d(6, affine=True),
        nn.Conv2d(6, 2, 1),
    ), images()


def scaled():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), Scale(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Conv2d(6, 2, 1)
    ), images()


def reshaped():
    def body(self, x):
        x = torch.relu(self.stem(x))
        n, c, h, w = x.shape
        y = torch.relu(self.hidden(x.view(n, c, h * w).transpose(1, 2)))
        return self.head(y.reshape(n, -1))

    return Net(
        body, stem=nn.Conv2d(3, 8, 3), hidden=nn.Linear(8, 6), head=nn.Linear(6 * 36, 2)
    ), images()


TOPOLOGIES = {
    function.__name__: function
    for function in (
        *(plain, residual, concat, depthwise, grouped, transposed, flatten, shared, tied),
        *(several_outputs, one_dimension, three_dimensions, lstm, gru, rnn, attention),
        *(cross_attention, transformer, embedding, unet, sigmoid, gates, halves),
        *(squeeze_and_excite, normalized, scaled, reshaped),
    )
}
