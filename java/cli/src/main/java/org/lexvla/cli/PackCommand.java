package org.lexvla.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.lexvla.training.CaptionDataset;
import org.lexvla.training.ShardWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Packs a table of captions and its pictures into shards. */
@Command(
        name = "pack",
        description = {
            "Pack a captions.tsv and its pictures into shards of WebDataset, which train reads.",
            "A picture with several captions is packed once for each."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Example: ./lexvla pack --data captions.tsv --out shards",
            "Then:    ./lexvla train --data shards --config configs/demo.yaml --out run"
        })
final class PackCommand implements Callable<Integer> {
    @Option(names = "--data", required = true, paramLabel = "TABLE", description = "captions.tsv.")
    private Path data;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "Directory to make.")
    private Path out;

    @Option(
            names = "--samples",
            paramLabel = "N",
            defaultValue = "10000",
            description = "Samples of a shard (default: ${DEFAULT-VALUE}).")
    private int samples;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        Inputs.require(data);
        Inputs.requireAbsent(out);
        CaptionDataset table = CaptionDataset.open(data);
        List<Path> shards = ShardWriter.write(table, out, samples);
        console.line(
                "%s in %s, written to %s", Count.of(table.size(), "sample"), Count.of(shards.size(), "shard"), out);
        console.result(Map.of("samples", table.size(), "shards", shards.size(), "out", out.toString()));
        return 0;
    }
}
