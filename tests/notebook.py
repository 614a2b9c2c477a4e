"""The reference recipe as a course notebook has it, in plain torch: one long concatenation, a Dataset of single
windows, a DataLoader, `.item()` every step. Shares no code with the project; what it reaches, the project must reach.

    python tests/notebook.py ROOT TRAIN_SPLIT DEV_SPLIT SEED...
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

PHONEMES = (  # noqa: SIM905
    "[SIL] AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
).split()
CONTEXT = 7


class Frames(torch.utils.data.Dataset):
    def __init__(self, root, split):
        mfccs, transcripts = [], []
        for name in sorted(path.name for path in (Path(root) / split / "mfcc").iterdir()):
            mfcc = np.load(Path(root) / split / "mfcc" / name)
            mfcc = (mfcc - mfcc.mean(axis=1, keepdims=True)) / mfcc.std(axis=1, keepdims=True)
            mfccs.append(mfcc)
            transcripts.append(np.load(Path(root) / split / "transcript" / name)[1:-1])
        frames = np.concatenate(mfccs)
        self.length = len(frames)
        self.mfccs = torch.FloatTensor(np.pad(frames, ((CONTEXT, CONTEXT), (0, 0))))
        self.transcripts = torch.tensor([PHONEMES.index(label) for label in np.concatenate(transcripts)])

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.mfccs[index : index + 2 * CONTEXT + 1], self.transcripts[index]


class Layer(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.t, self.u, self.v = nn.Linear(d_in, d_out), nn.Linear(d_in, d_in // 2), nn.Linear(d_in // 2, d_out)
        for linear in (self.t, self.u, self.v):
            nn.init.kaiming_uniform_(linear.weight)

    def forward(self, x):
        return self.v(torch.relu(self.u(x))) + self.t(x)


def train_and_score(root, train_split, dev_split, widths, seed, epochs=4, batch_size=4096):
    """The best dev accuracy over the epochs, in [0, 1]."""
    torch.manual_seed(seed)
    train, dev = Frames(root, train_split), Frames(root, dev_split)
    train_loader = torch.utils.data.DataLoader(train, batch_size=batch_size, shuffle=True)
    dev_loader = torch.utils.data.DataLoader(dev, batch_size=batch_size)
    sizes = [train.mfccs.shape[1] * (2 * CONTEXT + 1), *widths, len(PHONEMES)]
    model = nn.Sequential(nn.Flatten(), *(Layer(a, b) for a, b in itertools.pairwise(sizes)))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.01)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, step_size=2, gamma=0.1)
    best = 0.0
    for _ in range(epochs):
        model.train()
        total = 0.0
        for windows, labels in train_loader:
            optimiser.zero_grad()
            loss = criterion(model(windows), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            total += loss.item()
        scheduler.step()
        model.eval()
        with torch.no_grad():
            correct = sum((model(windows).argmax(1) == labels).sum().item() for windows, labels in dev_loader)
        best = max(best, correct / len(dev))
    return best


if __name__ == "__main__":
    root, train_split, dev_split, *seeds = sys.argv[1:]
    for seed in map(int, seeds):
        accuracy = train_and_score(root, train_split, dev_split, (512, 512, 256, 256), seed)
        print(f"seed {seed}: best dev accuracy {100 * accuracy:.2f} %", flush=True)
