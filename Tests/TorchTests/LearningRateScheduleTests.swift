import TestSupport
import Testing
import Torch

@Suite struct LearningRateScheduleTests {
    struct Case: Decodable {
        struct Config: Decodable {
            let lr: Double
            let numEpochs: Double
            let warmupEpochs: Double
            let numWave: Double
            let rate: Double
        }
        let config: Config
        let points: [[Double]]
    }

    @Test("rates are the reference's tables")
    func tables() throws {
        let cases = try jsonFixture("lr_schedule.json", as: [Case].self)
        #expect(cases.count == 3)
        for table in cases {
            let config = table.config
            let schedule = LearningRateSchedule(
                peak: config.lr, minimum: config.lr * config.rate,
                warmupEpochCount: config.warmupEpochs, epochCount: config.numEpochs,
                waveCount: config.numWave)
            for point in table.points {
                let difference = abs(schedule.rate(at: point[0]) - point[1])
                #expect(difference <= 1e-12 * config.lr, "epoch \(point[0])")
            }
        }
    }

    let schedule = LearningRateSchedule(
        peak: 5e-3, minimum: 1e-3, warmupEpochCount: 1, epochCount: 3)

    @Test("the first step runs at the peak, the second at nothing")
    func start() {
        let rates = (0..<3).map { schedule.rate(ofStep: $0, epoch: 0, stepsPerEpoch: 4) }
        #expect(rates == [5e-3, 0, 1.25e-3])
    }

    @Test("an epoch's first step uses the rate set after the last step of the epoch before")
    func acrossEpochs() {
        let first = schedule.rate(ofStep: 0, epoch: 2, stepsPerEpoch: 4)
        #expect(first == schedule.rate(afterStep: 3, epoch: 1, stepsPerEpoch: 4))
        #expect(first == schedule.rate(at: 1.75))
    }

    @Test("a curve whose epoch is shorter than the run's is TAO's on several devices")
    func scheduleEpoch() {
        // 9 boxes in batches of 3 on 2 devices: 2 steps an epoch, of which TAO counts 3 // 2 = 1.
        let rates = [(0, 1), (1, 1), (0, 2)].map {
            schedule.rate(ofStep: $0, epoch: $1, stepsPerEpoch: 2, scheduleSteps: 1)
        }
        #expect(rates == [1, 1, 2].map { schedule.rate(at: Double($0)) })
    }

    @Test("a run that is all warm-up ends at the peak")
    func onlyWarmup() {
        let schedule = LearningRateSchedule(
            peak: 1, minimum: 0, warmupEpochCount: 2, epochCount: 2)
        #expect(schedule.rate(at: 1) == 0.5)
        #expect(schedule.rate(at: 2) == 1)
    }
}
